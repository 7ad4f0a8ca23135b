"""Risk–coverage curves: the error rate if only the surest answers are given."""

from matplotlib.figure import Figure

from mmdino.evaluation.selective import COVERAGES, RiskCoverage
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.error_analysis import SelectiveRow
from mmdino.reporting.figures import style
from mmdino.reporting.figures.telling import tell


def risk_coverage_curves(data: StudyFiles, rows: list[SelectiveRow]) -> Figure | None:
    """Draw each arm's error rate by coverage; the reference arm's with its band."""
    if not rows:
        return None
    marks = style.marks(data)
    figure = style.canvas(3.2 + 0.16 * ((len(rows) + 2) // 3))
    axes = figure.subplots()
    for row in rows:
        mark = marks[row.arm]
        (points,) = axes.plot(COVERAGES, row.curve.risk, color=mark.colour, linestyle=mark.dash, marker=mark.marker, markersize=3,
                  label=data.named(row.arm).label)  # fmt: skip
        tell(points, _said(data.named(row.arm).label, row.curve))
        if row.arm == data.study.study.reference:
            axes.fill_between(COVERAGES, row.curve.low, row.curve.high, color=mark.colour, alpha=0.15, linewidth=0)
    ticks = [tick / 5 for tick in range(6)]
    axes.set_xticks(ticks, [f"{100 * tick:.0f} %" for tick in ticks])
    axes.set(xlim=(0, 1.01), ylim=(0, None))
    axes.yaxis.set_major_formatter(lambda rate, _: f"{100 * rate:.3g} %")
    axes.set_xlabel(f"patients who are answered, the surest first (n = {max(row.curve.aurc.n for row in rows)})")
    axes.set_ylabel("error rate among them")
    style.score_axis(axes, "both")
    style.legend_below(figure, axes)
    style.headline(figure, data.titled("Selective prediction on the external test"))
    return figure


def _said(title: str, curve: RiskCoverage) -> list[str]:
    shares = zip(COVERAGES, curve.risk, curve.low, curve.high)
    return [
        f"{title}, {100 * share:.0f} % answered: {100 * risk:.1f} % wrong [{100 * low:.1f}, {100 * high:.1f}]"
        for share, risk, low, high in shares
    ]
