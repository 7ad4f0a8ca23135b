"""Reliability diagrams: how often an arm is right when it says how sure it is."""

import textwrap

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mmdino.evaluation.calibration import Bin
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.error_analysis import CalibrationRow
from mmdino.reporting.figures import style
from mmdino.reporting.figures.telling import tell
from mmdino.reporting.text import score, span

ACROSS = 4


def reliability_diagrams(data: StudyFiles, rows: list[CalibrationRow]) -> Figure | None:
    """Draw a panel an arm: accuracy by confidence with intervals, as answered and with the temperature of validation."""
    if not rows:
        return None
    marks = style.marks(data)
    down = -(-len(rows) // ACROSS)
    figure = style.canvas(0.75 + 1.95 * down)
    panels = figure.subplots(down, ACROSS, squeeze=False, sharex=True, sharey=True)
    for axes in panels.flat[len(rows) :]:
        axes.set_visible(False)
    for place, (axes, row) in enumerate(zip(panels.flat, rows)):
        axes.axline((0, 0), slope=1, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)), zorder=1)
        mark = marks[row.arm]
        if row.bins_after:
            _line(axes, row.bins_after, style.MUTED, "s", "none", "with the temperature of validation")
        _line(axes, row.bins, mark.colour, mark.marker, mark.colour, "as answered")
        axes.set(xlim=(0.25, 1.02), ylim=(-0.02, 1.02), aspect="auto")
        style.score_axis(axes, "both")
        arm = data.named(row.arm)
        title = "\n".join(textwrap.wrap(arm.title, 26, max_lines=2, placeholder=" …"))
        after = f" → {score(row.after['ece'].value)}" if row.after else ""
        measured = f"ECE {score(row.before['ece'].value)}{after}, n = {row.before['ece'].n}"
        axes.set_title("\n".join(line for line in (title, measured, arm.apart) if line), fontsize=7.5)
        axes.set_ylabel("share that is right" if place % ACROSS == 0 else "")
        last = place + ACROSS >= len(rows)
        axes.set_xlabel("confidence" if last else "")
        axes.tick_params(labelbottom=last)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    style.headline(figure, data.titled("Calibration on the external test"))
    return figure


def _line(axes: Axes, bins: list[Bin], colour: str, marker: str, face: str, label: str) -> None:
    reach = [[b.accuracy - b.accuracy_low for b in bins], [b.accuracy_high - b.accuracy for b in bins]]
    points, *_ = axes.errorbar(
        [b.confidence for b in bins], [b.accuracy for b in bins], yerr=reach, fmt=marker, color=colour, markersize=4,
        markerfacecolor=face, linestyle="-", linewidth=0.9, elinewidth=0.8, label=label,
    )  # fmt: skip
    tell(points, [_said(label, b) for b in bins])


def _said(label: str, found: Bin) -> str:
    right = f"{score(found.accuracy)} {span(found.accuracy_low, found.accuracy_high)}"
    return f"{label}, confidence {score(found.confidence)}: {right} right, {found.n:.0f} patients"
