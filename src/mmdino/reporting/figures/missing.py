"""What missing sequences cost: all 15 sets as a heat map, one sequence missing, and sequences missing at random."""

from collections.abc import Sequence

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdino.evaluation.subsets import ALL, SUBSETS
from mmdino.reporting.data import Arm, StudyFiles
from mmdino.reporting.estimates import ONE_MISSING, Cell, CountCell, RandomCell, ceiling
from mmdino.reporting.figures import style
from mmdino.reporting.figures.telling import tell
from mmdino.reporting.text import SHOWN, score, with_span
from mmdino.tables import SEQUENCES, sequence_set

PROTOCOLS = {
    "transfer": "transfer: fitted on all four, tested with fewer",
    "refit": "refit: classifier refitted for the set",
}
SETS = [sequence_set(names) for names in SUBSETS]


def arms_of(data: StudyFiles, cells: Sequence[Cell | CountCell | RandomCell]) -> list[Arm]:
    """Return the arms of the cells, each once."""
    return [data.named(name) for name in dict.fromkeys(cell.arm for cell in cells)]


def heat_map(data: StudyFiles, cells: list[Cell]) -> Figure | None:
    """Draw MCC by arm and set of sequences, a panel a protocol; last the sign oracle where there is one."""
    protocols = [name for name in PROTOCOLS if any(cell.protocol == name for cell in cells)]
    if not protocols:
        return None
    bounds = [(ceiling(data, name) or {}).get("mcc", np.nan) for name in SETS]
    oracle = not np.isnan(bounds).all()
    arms = {name: arms_of(data, [cell for cell in cells if cell.protocol == name]) for name in protocols}
    rows = {name: [arm.label for arm in arms[name]] + (["sign oracle"] if oracle else []) for name in protocols}
    lines = [len(rows[name]) for name in protocols]
    figure = style.canvas(1.6 + 0.45 * len(protocols) + 0.23 * sum(lines))
    panels = figure.subplots(len(protocols) + 1, 1, height_ratios=[*lines, 3.6])
    top = np.nanmax([cell.mcc.value for cell in cells] + bounds)
    for axes, protocol in zip(panels, protocols):
        found = {(cell.sequences, cell.arm): cell.mcc.value for cell in cells if cell.protocol == protocol}
        grid = np.array([[found.get((name, arm.name), np.nan) for name in SETS] for arm in arms[protocol]])
        _panel(axes, np.vstack([grid, bounds]) if oracle else grid, rows[protocol], top, last_apart=oracle)
        n = next(cell.mcc.n for cell in cells if cell.protocol == protocol)
        axes.set_title(f"{PROTOCOLS[protocol]} (n = {n})")
    _dots(panels[-1])
    style.headline(figure, data.titled("MCC on the external test by sequences at hand"))
    return figure


def _panel(axes: Axes, grid: np.ndarray, rows: list[str], top: float, last_apart: bool) -> None:
    text = np.vectorize(lambda value: "" if np.isnan(value) else score(value))(grid)
    sns.heatmap(
        grid, ax=axes, mask=np.isnan(grid), annot=text, fmt="", vmin=0, vmax=max(top, 0.1), cmap=style.SCALE,
        cbar=False, annot_kws={"fontsize": 7}, linewidths=0.6, linecolor=style.PAPER, xticklabels=False,
    )  # fmt: skip
    style.readable(axes)
    axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axes.tick_params(length=0, rotation=0)
    for edge in _group_edges():
        axes.axvline(edge, color=style.PAPER, linewidth=4)
    if last_apart and len(rows) > 1:
        axes.axhline(len(rows) - 1, color=style.PAPER, linewidth=4)


def _group_edges() -> list[int]:
    """Return the columns at which the number of sequences changes."""
    sizes = [len(names) for names in SUBSETS]
    return [place for place in range(1, len(sizes)) if sizes[place] != sizes[place - 1]]


def _dots(axes: Axes) -> None:
    """Draw below the panels which sequences each set has: filled is there."""
    for place, names in enumerate(SUBSETS):
        for row, name in enumerate(SEQUENCES):
            axes.plot(
                place + 0.5, row, "o", markersize=5.5, markeredgewidth=0.8, markeredgecolor=style.MUTED,
                markerfacecolor=style.INK if name in names else "none",
            )  # fmt: skip
    axes.set(xlim=(0, len(SUBSETS)), ylim=(len(SEQUENCES) - 0.4, -0.6), xticks=[])
    axes.set_yticks(range(len(SEQUENCES)), [SHOWN[name] for name in SEQUENCES])
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def one_missing(data: StudyFiles, cells: list[Cell]) -> Figure | None:
    """Draw each arm's MCC with all four and with each one missing; short lines are the sign oracle's."""
    protocols = [name for name in PROTOCOLS if any(cell.protocol == name for cell in cells)]
    if not protocols:
        return None
    arms, marks = arms_of(data, cells), style.marks(data)
    cases = {"all four": ALL} | {f"no {SHOWN[name]}": names for name, names in ONE_MISSING.items()}
    figure = style.canvas(3.3 + 0.16 * ((len(arms) + 2) // 3))
    panels = figure.subplots(1, len(protocols), sharey=True, squeeze=False)[0]
    step = 0.7 / max(len(arms), 1)
    for axes, protocol in zip(panels, protocols):
        found = {(cell.sequences, cell.arm): cell.mcc for cell in cells if cell.protocol == protocol}
        for order, arm in enumerate(arms):
            mark = marks[arm.name]
            shift = (order - (len(arms) - 1) / 2) * step
            places = [(case, x + shift, found.get((names, arm.name))) for x, (case, names) in enumerate(cases.items())]
            seen = [(case, x, mcc) for case, x, mcc in places if mcc is not None]
            points, *_ = axes.errorbar(
                [x for _, x, _ in seen], [mcc.value for *_, mcc in seen],
                yerr=np.array([[mcc.value - mcc.low, mcc.high - mcc.value] for *_, mcc in seen]).T if seen else None,
                fmt=mark.marker, color=mark.colour, markeredgecolor=style.PAPER, markeredgewidth=0.5, elinewidth=1,
                label=arm.label,
            )  # fmt: skip
            tell(points, [f"{arm.label}, {case} ({protocol}): MCC {with_span(mcc)}" for case, _, mcc in seen])
        for x, names in enumerate(cases.values()):
            bound = ceiling(data, names)
            if bound:
                label = "sign oracle" if x == 0 else None
                axes.hlines(bound["mcc"], x - 0.42, x + 0.42, color=style.MUTED, linewidth=1.2, label=label)
            if x:
                axes.axvline(x - 0.5, color=style.LINE, linewidth=0.6)
        axes.axhline(0, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.set_xticks(range(len(cases)), list(cases))
        axes.tick_params(axis="x", length=0)
        style.score_axis(axes, "y")
        n = next(cell.mcc.n for cell in cells if cell.protocol == protocol)
        axes.set_title(f"{PROTOCOLS[protocol]}\nn = {n}")
    panels[0].set_ylabel("MCC, 95 % interval over patients")
    style.legend_below(figure, panels[0])
    style.headline(figure, data.titled("External test with one sequence missing"))
    return figure


def random_missing(data: StudyFiles, cells: list[RandomCell]) -> Figure | None:
    """Draw each arm's MCC by the share of sequences that are missing at random, a panel a protocol."""
    protocols = [name for name in PROTOCOLS if any(cell.protocol == name for cell in cells)]
    if not protocols:
        return None
    arms, marks = arms_of(data, cells), style.marks(data)
    figure = style.canvas(3.1 + 0.16 * ((len(arms) + 2) // 3))
    panels = figure.subplots(1, len(protocols), sharey=True, squeeze=False)[0]
    for axes, protocol in zip(panels, protocols):
        for order, arm in enumerate(arms):
            mark = marks[arm.name]
            line = [cell for cell in cells if cell.arm == arm.name and cell.protocol == protocol]
            shift = (order - (len(arms) - 1) / 2) * 0.008
            points, *_ = axes.errorbar(
                [cell.rate + shift for cell in line], [cell.mcc.value for cell in line],
                yerr=np.array([[c.mcc.value - c.mcc.low, c.mcc.high - c.mcc.value] for c in line]).T if line else None,
                fmt=mark.marker, linestyle=mark.dash, color=mark.colour, markeredgecolor=style.PAPER,
                markeredgewidth=0.5, elinewidth=0.8, linewidth=1, label=arm.label,
            )  # fmt: skip
            tell(
                points,
                [f"{arm.label}, {100 * c.rate:.0f} % missing ({protocol}): MCC {with_span(c.mcc)}" for c in line],
            )
        axes.axhline(0, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
        rates = sorted({cell.rate for cell in cells})
        axes.set_xticks(rates, [f"{100 * rate:.0f} %" for rate in rates])
        axes.set_xlabel("probability that a sequence is missing")
        style.score_axis(axes, "y")
        n = next(cell.mcc.n for cell in cells if cell.protocol == protocol)
        axes.set_title(f"{PROTOCOLS[protocol]}\nn = {n}")
    panels[0].set_ylabel("MCC, 95 % interval over patients")
    style.legend_below(figure, panels[0])
    style.headline(figure, data.titled("External test, sequences missing at random"))
    return figure
