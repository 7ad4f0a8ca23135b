"""The flow of patients, as CONSORT draws it: what is left down the middle, who is lost and why at the side."""

import textwrap
from collections import Counter

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.figures import style
from mmdino.reporting.flow import Flow, flow

WIDTH = 2.9  # inches: fits a telephone without scrolling
MIDDLE, SIDE, GAP = 1.05, 1.68, 0.13  # widths of the boxes, and what is between them
LINE, PAD, SPACE = 0.125, 0.06, 0.13  # height of a line, round the text, between boxes
LETTERS = 31  # of a line at the side
MOST = 3  # reasons named
SIZE = 6.5

LOST = {
    "set_aside": "set aside",
    "waiting": "not preprocessed yet",
    "failed": "failed",
    "refused": "refused by quality control",
    "again": "further sessions or copies of a patient, or in no list",
    "no_slices": "without slices",
}
# What is left, and who is lost on the way to it.
STEPS = (
    ("found", "sessions found", ()),
    ("preprocessed", "preprocessed", ("set_aside", "waiting", "failed")),
    ("kept", "kept by quality\ncontrol", ("refused",)),
    ("used", "patients used", ("again", "no_slices")),
)
ENDS = {"train": "training", "val": "validation", "test": "external test"}


def flow_diagram(data: StudyFiles) -> Figure | None:
    """Draw who is left after each step of all that were taken; None before there is a manifest."""
    found = flow(data)
    if not found.total("found"):
        return None
    steps = [step for step in STEPS if step[0] != "used" or len(data.splits)]
    sides = [_lost(found, columns) for _, _, columns in steps]
    heights = [_height(side) + SPACE if side else SPACE for side in sides]
    boxes = [_height(f"{found.total(column):,}\n{said}") for column, said, _ in steps]
    ends = _ends(found) if len(data.splits) else {}
    last = max(map(_height, ends.values())) + 2 * SPACE if ends else 0
    height = 0.3 + sum(heights[1:]) + sum(boxes) + last + 0.03
    figure = style.canvas(height, WIDTH)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, height))
    axes.set_axis_off()
    y, centre = height - 0.3, MIDDLE / 2
    for (column, said, _), side, above, box in zip(steps, sides, heights, boxes):
        if column != "found":
            _arrow(axes, (centre, y), (centre, y - above))
        if side:
            middle = y - above / 2
            _arrow(axes, (centre, middle), (MIDDLE + GAP, middle))
            _box(axes, MIDDLE + GAP, middle + _height(side) / 2, SIDE - GAP / 2, side, left=True)
        y -= above if column != "found" else 0
        _box(axes, 0.02, y, MIDDLE - 0.04, f"{found.total(column):,}\n{said}", bold=True)
        y -= box
    if ends:
        _fan(axes, ends, centre, y)
    style.headline(figure, data.titled("Flow of patients"))
    return figure


def _lost(found: Flow, columns: tuple[str, ...]) -> str:
    """Return the text of the box at the side; empty where nobody was lost."""
    lines = []
    for column in columns:
        if found.total(column):
            lines.append(textwrap.fill(f"{found.total(column):,} {LOST[column]}", LETTERS))
            lines += [textwrap.fill(f"· {n:,}: {said}", LETTERS, subsequent_indent="   ")
                      for said, n in _named(found.reasons[column])]  # fmt: skip
    return "\n".join(lines)


def _named(reasons: Counter[str]) -> list[tuple[str, int]]:
    """Return the most frequent reasons, and how many sessions have another."""
    first = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(n for _, n in first[MOST:])
    return [*first[:MOST], *([("for other reasons", rest)] if rest else [])]


def _ends(found: Flow) -> dict[str, str]:
    labelled, unlabelled = found.total("train_labelled"), found.total("train_unlabelled")
    ends = {"train": f"{labelled + unlabelled:,}\ntraining\n{labelled:,} labelled\n{unlabelled:,} unlabelled"}
    return ends | {split: f"{found.total(split):,}\n{ENDS[split]}" for split in ("val", "test")}


def _height(text: str) -> float:
    return LINE * (text.count("\n") + 1) + 2 * PAD


def _box(axes: Axes, x: float, top: float, width: float, text: str, bold: bool = False, left: bool = False) -> None:
    height = _height(text)
    axes.add_patch(Rectangle((x, top - height), width, height, facecolor="none", edgecolor=style.MUTED, linewidth=0.7))
    for number, line in enumerate(text.split("\n")):
        heavy = bold and number == 0
        axes.text(
            x + PAD if left else x + width / 2, top - PAD - (number + 0.5) * LINE, line, va="center_baseline",
            ha="left" if left else "center", fontsize=SIZE + heavy, fontweight="bold" if heavy else "normal",
        )  # fmt: skip


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    shape = {"arrowstyle": "-|>,head_width=0.16,head_length=0.3", "color": style.MUTED, "linewidth": 0.7}
    axes.annotate("", end, start, arrowprops={**shape, "shrinkA": 0, "shrinkB": 0})


def _fan(axes: Axes, ends: dict[str, str], centre: float, y: float) -> None:
    """Draw the splits side by side below the last box."""
    step = WIDTH / len(ends)
    bar = y - SPACE
    axes.plot([centre, centre], [y, bar], color=style.MUTED, linewidth=0.7)
    axes.plot([step / 2, WIDTH - step / 2], [bar, bar], color=style.MUTED, linewidth=0.7)
    for number, text in enumerate(ends.values()):
        _arrow(axes, ((number + 0.5) * step, bar), ((number + 0.5) * step, bar - SPACE))
        _box(axes, number * step + 0.03, bar - SPACE, step - 0.06, text, bold=True)
