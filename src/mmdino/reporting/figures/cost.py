"""What an arm reaches for what it costs."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MultipleLocator, NullLocator

from mmdino.evaluation.compare import Estimate
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import MainRow
from mmdino.reporting.figures import style
from mmdino.reporting.figures.telling import tell
from mmdino.reporting.text import duration, with_span

TICKS = (1, 3, 10, 30, 60, 180, 600, 1800, 7200, 21600, 86400, 259200)  # seconds


def mcc_by_cost(data: StudyFiles, rows: list[MainRow]) -> Figure | None:
    """Draw MCC against the CPU time of training a seed; None where no arm has both."""
    drawn = costs(data, rows)
    if not drawn:
        return None
    marks = style.marks(data)
    figure = style.canvas(3.2 + 0.16 * ((len(drawn) + 2) // 3))
    axes = figure.subplots()
    for arm, cost, mcc in drawn:
        mark = marks[arm]
        point, *_ = axes.errorbar(
            cost, mcc.value, yerr=[[mcc.value - mcc.low], [mcc.high - mcc.value]], fmt=mark.marker, color=mark.colour,
            markeredgecolor=style.PAPER, markeredgewidth=0.5, elinewidth=0.9, label=data.named(arm).label,
        )  # fmt: skip
        tell(point, [f"{data.named(arm).label}: MCC {with_span(mcc)}, {duration(cost)} of CPU time a seed"])
    axes.set_xscale("log")
    shortest, longest = min(cost for _, cost, _ in drawn), max(cost for _, cost, _ in drawn)
    ticks = [seconds for seconds in TICKS if shortest / 2 < seconds < longest * 2]
    axes.xaxis.set_major_locator(FixedLocator(ticks) if len(ticks) > 1 else LogLocator())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda seconds, _: duration(seconds).replace(".0 ", " "))
    axes.yaxis.set_major_locator(MultipleLocator(0.1))
    axes.set_xlabel("CPU time of training, a seed (log)")
    axes.set_ylabel("MCC, 95 % interval over patients")
    axes.set_title(f"n = {max(mcc.n for _, _, mcc in drawn)}")
    style.score_axis(axes, "y")
    style.legend_below(figure, axes)
    style.headline(figure, data.titled("External test against the cost of training"))
    return figure


def costs(data: StudyFiles, rows: Sequence[MainRow]) -> list[tuple[str, float, Estimate]]:
    """Return, of every arm that has both, the mean CPU seconds of training a seed (its own, or its weights') and its MCC."""
    found = []
    for row in rows:
        seconds = data.training_seconds(data.named(row.arm))
        if row.mcc and seconds:
            found.append((row.arm, float(np.mean(seconds)), row.mcc))
    return found
