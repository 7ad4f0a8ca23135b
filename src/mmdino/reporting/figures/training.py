"""How training went: loss, validation MCC and the teacher's entropy by step."""

import math
from collections.abc import Collection
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdino.reporting.data import Arm, RunFiles, StudyFiles
from mmdino.reporting.figures import style

SMOOTH = 40  # points of the running mean that a curve keeps


def logged(arm: Arm) -> bool:
    """Return whether its first seed has a log of losses."""
    return "loss" in arm.runs[0].log


def training_curves(data: StudyFiles, names: Collection[str]) -> Figure | None:
    """Draw the first seed of these arms; None where no log has a loss."""
    runs = [(arm, arm.runs[0]) for arm in data.shown() if arm.name in names and logged(arm)]
    if not runs:
        return None
    marks = style.marks(data)
    taught = [run for _, run in runs if "teacher_entropy" in run.log]
    figure = style.canvas(2.7 + 0.16 * ((len(runs) + 2) // 3))
    panels = figure.subplots(1, 3 if taught else 2)
    for arm, run in runs:
        mark = marks[arm.name]
        look = {"color": mark.colour, "linestyle": mark.dash, "zorder": 3 if arm is data.reference else 2}
        panels[0].plot(run.log["step"], _smooth(run.log["loss"]), label=arm.title, **look)
        _validation(panels[1], arm, run, look | {"marker": mark.marker})
        if "teacher_entropy" in run.log:
            panels[2].plot(run.log["step"], _smooth(run.log["teacher_entropy"]), **look)
    for prototypes in {run.record.get("settings", {}).get("prototypes") for run in taught} - {None}:
        _no_teaching(panels[2], prototypes)
    titles = ("loss (running mean)", _counted("validation MCC", data), "teacher entropy (nats)")
    for axes, title in zip(panels, titles):
        axes.set_title(title)
        axes.set_xlabel("step")
        style.score_axis(axes, "y")
    style.legend_below(figure, panels[0])
    style.headline(figure, data.titled("Training, first seed"))
    return figure


def _smooth(values: pd.Series) -> pd.Series:
    return values.rolling(max(1, len(values) // SMOOTH), min_periods=1).mean()


def _counted(title: str, data: StudyFiles) -> str:
    patients = int((data.splits["split"] == "val").sum())
    return f"{title} (n = {patients})" if patients else title


def _validation(axes: Axes, arm: Arm, run: RunFiles, look: dict[str, Any]) -> None:
    """Draw validation MCC of the read-out by which the weights were chosen, and ring the chosen step."""
    readout = run.record.get("selected_by", arm.experiment.readout)
    column = f"val_mcc_{readout}"
    if column not in run.log:
        return
    seen = run.log[["step", column]].dropna()
    axes.plot(seen["step"], seen[column], markersize=3, **look)
    best = run.record.get("best", {}).get("step")
    chosen = seen[seen["step"] == best]
    ring = {"markersize": 9, "markerfacecolor": "none", "markeredgecolor": look["color"], "zorder": look["zorder"]}
    axes.plot(chosen["step"], chosen[column], "o", **ring)


def _no_teaching(axes: Axes, prototypes: int) -> None:
    """Draw a dashed line at ln K: a teacher's entropy there tells nothing."""
    top = math.log(prototypes)
    axes.axhline(top, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
    axes.annotate(
        f"ln {prototypes}", (1, top), xycoords=("axes fraction", "data"), xytext=(0, 2), textcoords="offset points",
        ha="right", color=style.MUTED, fontsize=7,
    )  # fmt: skip
