"""What quality control measured, by cohort, with the thresholds and who is beyond them."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.figures import style
from mmdino.reporting.figures.telling import tell
from mmdino.reporting.quality import MEASURES, Measure, judged

FEW = 12  # patients of a cohort up to which each is drawn
WHISKERS = (1, 99)  # percentiles
FLAGGED = "#d55e00"
IN_A_ROW = 3
FAINT = {"color": style.MUTED, "linewidth": 0.8}


def quality_distributions(data: StudyFiles) -> Figure | None:
    """Draw a panel a measure, a box a cohort; None where nobody was measured."""
    patients = judged(data)
    shown = [measure for measure in MEASURES if patients[measure.column].notna().any()]
    if not shown:
        return None
    cohorts = [name for name in data.study.study.cohorts if (patients["cohort"] == name).any()]
    rows = -(-len(shown) // IN_A_ROW)
    figure = style.canvas(0.75 + rows * (0.6 + 0.2 * len(cohorts)))
    panels = figure.subplots(rows, min(IN_A_ROW, len(shown)), squeeze=False, sharey=True)
    for axes in panels.flat[len(shown) :]:
        axes.set_visible(False)
    for axes, measure in zip(panels.flat, shown):
        _panel(axes, data, measure, cohorts)
    style.legend_below(figure, panels.flat[0])
    style.headline(figure, data.titled("Quality control"))
    return figure


def _who(measure: Measure, patients: pd.DataFrame, data: StudyFiles) -> list[str]:
    """Return, of flagged patients, who each of them is, with the value and the flag."""
    rows: list[dict[str, Any]] = patients.to_dict("records")  # type: ignore[assignment]
    return [
        f"{row['subject']}, {row['session']} ({row['cohort']}). {measure.label}: {measure.show(row[measure.column])}. "
        f"Flagged: {measure.check(row, data.study.study.qc)}."
        for row in rows
    ]


def _panel(axes: Axes, data: StudyFiles, measure: Measure, cohorts: list[str]) -> None:
    qc = data.study.study.qc
    patients = judged(data)
    measured = patients[patients[measure.column].notna()]
    for place, name in enumerate(cohorts):
        rows = measured[measured["cohort"] == name]
        flagged = measure.flagged(rows, qc)
        values = rows[measure.column]
        if len(values) > FEW:
            axes.boxplot(
                values, positions=[place], orientation="horizontal", widths=0.55, whis=WHISKERS, manage_ticks=False,
                flierprops={"marker": ".", "markersize": 3, "markerfacecolor": style.MUTED, "markeredgewidth": 0},
                medianprops={"color": style.REFERENCE, "linewidth": 1.4},
                boxprops=FAINT, whiskerprops=FAINT, capprops=FAINT,
            )  # fmt: skip
        else:
            axes.plot(values, [place] * len(values), ".", color=style.MUTED, markersize=4)
        out = values[flagged]
        (points,) = axes.plot(
            out, [place] * len(out), "D", color=FLAGGED, markersize=3.2, markeredgecolor=style.PAPER,
            markeredgewidth=0.4, label="flagged by this measure" if place == 0 else None,
        )  # fmt: skip
        tell(points, _who(measure, rows[flagged], data))
    for number, limit in enumerate(measure.limits(qc)):
        axes.axvline(limit, color=FLAGGED, linewidth=0.9, linestyle=(0, (4, 2)), label="" if number else "threshold")
    axes.set_yticks(range(len(cohorts)), cohorts)
    axes.set_ylim(len(cohorts) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.set_title(f"{measure.label}\nn = {len(measured):,}", fontsize=7.5)
    style.score_axis(axes)
