"""MCC of arms on the external test, with ceiling and floor."""

from matplotlib.figure import Figure

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import MainRow, ceiling
from mmdino.reporting.figures import style
from mmdino.reporting.text import with_span


def external_mcc(data: StudyFiles, rows: list[MainRow], title: str) -> Figure | None:
    """Draw each arm's MCC with its interval over patients, and thinner that over patients and seeds, best first.

    None where no arm has a figure.
    """
    drawn = sorted((row for row in reversed(rows) if row.mcc), key=lambda row: row.mcc.value)  # type: ignore[union-attr]
    if not drawn:
        return None
    marks = style.marks(data)
    figure = style.canvas(0.85 + 0.27 * len(drawn))
    axes = figure.subplots()
    for height, row in enumerate(drawn):
        assert row.mcc is not None
        mark = marks[row.arm]
        if row.mcc.total_low is not None and row.mcc.total_high is not None:
            axes.plot([row.mcc.total_low, row.mcc.total_high], [height, height], color=mark.colour, linewidth=0.8)
        axes.plot([row.mcc.low, row.mcc.high], [height, height], color=mark.colour, linewidth=2, solid_capstyle="round")
        axes.plot(row.mcc.value, height, mark.marker, color=mark.colour, markersize=6, markeredgecolor=style.PAPER)
        axes.annotate(
            with_span(row.mcc), (1.01, height), xycoords=("axes fraction", "data"), va="center", annotation_clip=False
        )
    axes.set_yticks(range(len(drawn)), [data.named(row.arm).label for row in drawn])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(-0.6, len(drawn) - 0.4)
    bound = ceiling(data)
    lows = [row.mcc.low for row in drawn if row.mcc]
    axes.set_xlim(min(0.0, *lows) - 0.02, 1.0)
    lines = {"majority class": 0.0} | (
        {f"sign oracle {bound['mcc']:.2f}".replace("0.", "."): bound["mcc"]} if bound else {}
    )
    for text, value in lines.items():
        axes.axvline(value, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
        side = "left" if value < 0.5 else "right"
        axes.annotate(
            text, (value, 1.0), xycoords=("data", "axes fraction"), xytext=(0, 3), textcoords="offset points",
            ha=side, color=style.MUTED, fontsize=7.5,
        )  # fmt: skip
    style.score_axis(axes)
    axes.set_xlabel(f"MCC, 95 % interval over patients (n = {max(row.mcc.n for row in drawn if row.mcc)})")
    style.headline(figure, data.titled(title))
    return figure
