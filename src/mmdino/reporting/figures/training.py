"""How training went: loss, validation MCC and the teacher's entropy by step."""

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdino.reporting.data import Arm, RunFiles, StudyFiles
from mmdino.reporting.figures import style

MOST = 12
SMOOTH = 40  # points of the running mean that a loss curve keeps


def training_curves(data: StudyFiles) -> Figure | None:
    """Draw the first seed of each arm that trains; None where no log has a loss."""
    runs = [(arm, arm.runs[0]) for arm in data.shown() if "loss" in arm.runs[0].log][:MOST]
    if not runs:
        return None
    marks = style.marks(data)
    entropies = [(arm, run) for arm, run in runs if "teacher_entropy" in run.log]
    figure = style.canvas(2.7 + 0.16 * ((len(runs) + 2) // 3))
    panels = figure.subplots(1, 3 if entropies else 2)
    for arm, run in runs:
        mark = marks[arm.name]
        window = max(1, len(run.log) // SMOOTH)
        smooth = run.log["loss"].rolling(window, min_periods=1).mean()
        panels[0].plot(run.log["step"], smooth, color=mark.colour, linestyle=mark.dash, label=arm.title)
        _validation(panels[1], arm, run, mark)
    for arm, run in entropies:
        _entropy(panels[2], run, marks[arm.name])
    titles = ("loss (running mean)", _counted("validation MCC", data), "teacher entropy (nats)")
    for axes, title in zip(panels, titles):
        axes.set_title(title)
        axes.set_xlabel("step")
        style.score_axis(axes, "y")
    style.legend_below(figure, panels[0])
    style.headline(figure, data.titled("Training, first seed"))
    return figure


def _counted(title: str, data: StudyFiles) -> str:
    patients = int((data.splits["split"] == "val").sum())
    return f"{title} (n = {patients})" if patients else title


def _validation(axes: Axes, arm: Arm, run: RunFiles, mark: style.Mark) -> None:
    """Draw validation MCC of the read-out by which the weights were chosen, and ring the chosen step."""
    readout = run.record.get("selected_by", arm.experiment.readout)
    column = f"val_mcc_{readout}"
    if column not in run.log:
        return
    seen = run.log[["step", column]].dropna()
    axes.plot(seen["step"], seen[column], color=mark.colour, linestyle=mark.dash, marker=mark.marker, markersize=3)
    best = run.record.get("best", {}).get("step")
    chosen = seen[seen["step"] == best]
    axes.plot(chosen["step"], chosen[column], "o", markersize=9, markerfacecolor="none", markeredgecolor=mark.colour)


def _entropy(axes: Axes, run: RunFiles, mark: style.Mark) -> None:
    """Draw the teacher's entropy, and as a dashed line ln K: there it tells nothing."""
    window = max(1, len(run.log) // SMOOTH)
    smooth = run.log["teacher_entropy"].rolling(window, min_periods=1).mean()
    axes.plot(run.log["step"], smooth, color=mark.colour, linestyle=mark.dash)
    prototypes = run.record.get("settings", {}).get("prototypes")
    if prototypes:
        top = math.log(prototypes)
        axes.axhline(top, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.annotate(
            f"ln {prototypes}", (1, top), xycoords=("axes fraction", "data"), xytext=(0, 2), textcoords="offset points",
            ha="right", color=style.MUTED, fontsize=7,
        )  # fmt: skip
