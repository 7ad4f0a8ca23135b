"""What an arm reaches for what it costs."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import MainRow
from mmdino.reporting.figures import style
from mmdino.reporting.text import duration


def mcc_by_cost(data: StudyFiles, rows: list[MainRow]) -> Figure | None:
    """Draw MCC against the CPU time of training a seed; None where no arm has both."""
    drawn = []
    for row in rows:
        seconds = [run.record["cpu_seconds"] for run in data.named(row.arm).runs if "cpu_seconds" in run.record]
        if row.mcc and seconds:
            drawn.append((row.arm, float(np.mean(seconds)), row.mcc))
    if not drawn:
        return None
    marks = style.marks(data)
    figure = style.canvas(3.2 + 0.16 * ((len(drawn) + 2) // 3))
    axes = figure.subplots()
    for arm, cost, mcc in drawn:
        mark = marks[arm]
        axes.errorbar(
            cost, mcc.value, yerr=[[mcc.value - mcc.low], [mcc.high - mcc.value]], fmt=mark.marker, color=mark.colour,
            markeredgecolor=style.PAPER, markeredgewidth=0.5, elinewidth=0.9, label=data.named(arm).title,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda seconds, _: duration(seconds))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("CPU time of training, a seed (log)")
    axes.set_ylabel("MCC, 95 % interval over patients")
    axes.set_title(f"n = {max(mcc.n for _, _, mcc in drawn)}")
    style.score_axis(axes, "y")
    style.legend_below(figure, axes)
    style.headline(figure, data.titled("External test against the cost of training"))
    return figure
