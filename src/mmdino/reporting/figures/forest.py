"""Paired differences of arms to the reference, one below the other."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import MainRow
from mmdino.reporting.figures import style
from mmdino.reporting.text import equals, with_span


def forest(data: StudyFiles, rows: Sequence[MainRow], title: str) -> Figure | None:
    """Draw MCC minus the reference's, paired, in the study's order; None where there is no difference to draw.

    Thick: the interval over patients; thin: that over patients and seeds, where there are several.
    """
    drawn = [(row.arm, row.difference) for row in reversed(rows) if row.difference]
    if not drawn or data.reference is None:
        return None
    marks = style.marks(data)
    figure = style.canvas(0.95 + 0.27 * len(drawn))
    axes = figure.subplots()
    for height, (arm, gap) in enumerate(drawn):
        mark = marks[arm]
        if gap.total_low is not None and gap.total_high is not None:
            axes.plot([gap.total_low, gap.total_high], [height, height], color=mark.colour, linewidth=0.8)
        axes.plot([gap.low, gap.high], [height, height], color=mark.colour, linewidth=2, solid_capstyle="round")
        axes.plot(gap.value, height, mark.marker, color=mark.colour, markersize=6, markeredgecolor=style.PAPER)
        axes.annotate(
            f"{with_span(gap, signed=True)}   p {equals(gap.p_holm)}", (1.01, height),
            xycoords=("axes fraction", "data"), va="center", annotation_clip=False,
        )  # fmt: skip
    axes.axvline(0, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
    for text, place, side in (("worse", -4, "right"), ("better", 4, "left")):
        axes.annotate(
            text, (0, 1.0), xycoords=("data", "axes fraction"), xytext=(place, 3), textcoords="offset points", ha=side,
            color=style.MUTED, fontsize=7.5,
        )  # fmt: skip
    axes.set_yticks(range(len(drawn)), [data.named(arm).label for arm, _ in drawn])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(drawn) - 0.4)
    axes.locator_params(axis="x", nbins=6)
    style.score_axis(axes)
    n = max(gap.n for _, gap in drawn)
    axes.set_xlabel(
        f"MCC minus that of {data.reference.label}, 95 % interval over patients (n = {n}); p corrected (Holm)"
    )
    style.headline(figure, data.titled(title))
    return figure
