"""One look for all figures: sizes, inks, and a colour, marker and dash for each arm that stay the same everywhere."""

import io
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from mmdino.files import atomic
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.figures import telling

INK, MUTED, LINE, PAPER = "#1f2630", "#667080", "#dde1e6", "#fefefe"  # the page exchanges them in its dark mode
SCALE = sns.light_palette("#0b4f8a", as_cmap=True)  # one hue, from nothing to all
WIDTH = 7.1  # inches: two columns of a journal
REFERENCE = "#0072b2"
COLOURS = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f")  # Okabe and Ito, extended
MARKERS = ("o", "s", "^", "D", "v", "p", "h")
DASHES: tuple[tuple[float, ...], ...] = (  # on and off, in widths of the line; () is a whole line
    (), (5, 1.5), (1, 1), (5, 1, 1, 1), (9, 2), (2.5, 2.5), (5, 1, 1, 1, 1, 1), (9, 1.5, 2.5, 1.5), (1, 3), (5, 4),
    (9, 1.5, 1, 1.5, 1, 1.5), (2.5, 1, 1, 1),
)  # fmt: skip
RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "text.color": INK,
    "text.parse_math": False,
    "axes.facecolor": "none",
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.titlesize": 8.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "lines.markersize": 4.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "mmdino",
    "pdf.fonttype": 42,
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.07,
}
UNDATED = {
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "png": {"Software": None},
}
KINDS = tuple(UNDATED)
DPI = 300


@dataclass(frozen=True)
class Mark:
    """How an arm is drawn: ``pattern`` is its line's, on and off in widths of the line."""

    colour: str
    marker: str
    pattern: tuple[float, ...]

    @property
    def dash(self) -> Any:
        """Return its line style in matplotlib's words."""
        return (0, self.pattern) if self.pattern else "-"


def marks(data: StudyFiles) -> dict[str, Mark]:
    """Return each arm's mark by name: the reference arm's is fixed, the others' follow the study's order.

    Ablations on request come last, as they do where a figure has room for a few arms: those have the first colours.
    """
    found = {data.reference.name: Mark(REFERENCE, "o", ())} if data.reference else {}
    others = [arm for arm in data.arms if arm is not data.reference]
    others.sort(key=lambda arm: (arm.name not in data.study.default, arm.experiment.group == "ablation"))
    for place, arm in enumerate(others):
        turn, colour = divmod(place, len(COLOURS))
        # A marker further with each turn of the colours: many figures draw no line, whose dash would tell arms apart.
        marker, pattern = MARKERS[(place + 1 + turn) % len(MARKERS)], DASHES[turn % len(DASHES)]
        found[arm.name] = Mark(COLOURS[colour], marker, pattern)
    return found


@contextmanager
def styled() -> Iterator[None]:
    """Draw with the report's look, whatever the user's matplotlib settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(RC)
        yield


def canvas(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure (inches); outside of pyplot, so that nothing stays in memory."""
    return Figure(figsize=(width, height), layout="constrained")


def headline(figure: Figure, text: str) -> None:
    """Write a figure's title, left above all panels."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=9.5, fontweight="bold")


def score_axis(axes: Axes, axis: str = "x") -> None:
    """Give an axis of MCC its grid."""
    axes.grid(axis=axis, zorder=0)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


def legend_below(figure: Figure, axes: Axes) -> None:
    """Write one legend below all panels, of what is drawn in ``axes``, as wide as fits."""
    handles, labels = axes.get_legend_handles_labels()
    for columns in (3, 2, 1):
        legend = figure.legend(
            handles, labels, loc="outside lower center", ncols=columns, handletextpad=0.4, columnspacing=1.6
        )
        if columns == 1 or legend.get_window_extent().width < figure.bbox.width:
            return
        legend.remove()


def readable(axes: Axes) -> None:
    """Colour a heat map's numbers black or white, whichever stands out more from its cell."""
    mesh: Any = axes.collections[0]
    colours = mesh.get_facecolors()[~np.ma.getmaskarray(mesh.get_array()).ravel()]
    for text, colour in zip(axes.texts, colours):
        text.set_color("white" if sns.utils.relative_luminance(colour) < 0.18 else "#101418")


def save(figure: Figure, folder: Path, name: str, kinds: Collection[str] = KINDS) -> Path:
    """Write SVG and, of ``kinds``, PDF and PNG (300 dpi), the same bytes for the same numbers; return the SVG's path.

    A figure whose SVG would be what lies there already has not changed, and is not drawn again; of one that has, no
    PDF or PNG stays that shows the numbers of before.
    """
    if layout := figure.get_layout_engine():
        layout.execute(figure)
        figure.set_layout_engine("none")  # laid out once, not once a format
    paths = {kind: folder / f"{name}.{kind}" for kind in KINDS}
    svg = _as_svg(figure)
    same = paths["svg"].exists() and paths["svg"].read_bytes() == svg
    for kind in set(KINDS) - {"svg"}:
        if not same:
            paths[kind].unlink(missing_ok=True)
        if kind in kinds and not paths[kind].exists():
            with atomic(paths[kind]) as temporary:
                figure.savefig(temporary, format=kind, dpi=DPI, metadata=UNDATED[kind])
    if not same:
        with atomic(paths["svg"]) as temporary:  # last: that it is there says that the others are of the same numbers
            temporary.write_bytes(svg)
    return paths["svg"]


def _as_svg(figure: Figure) -> bytes:
    """Return what ``savefig`` writes, which would draw the figure twice: first to lay out what is laid out already."""
    svg, paper, dots = io.BytesIO(), figure.get_facecolor(), figure.dpi
    figure.set(facecolor="none", dpi=DPI)
    said = telling.named(figure)
    FigureCanvasSVG(figure).print_svg(svg, metadata=UNDATED["svg"])
    figure.set(facecolor=paper, dpi=dots)
    return telling.titled(svg.getvalue().decode(), said).encode()
