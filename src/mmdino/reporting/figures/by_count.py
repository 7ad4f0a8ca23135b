"""MCC by the number of sequences at hand."""

import numpy as np
from matplotlib.figure import Figure

from mmdino.evaluation.subsets import SUBSETS
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import CountCell, ceiling
from mmdino.reporting.figures import style
from mmdino.reporting.figures.missing import PROTOCOLS, arms_of
from mmdino.reporting.figures.telling import tell
from mmdino.reporting.text import with_span
from mmdino.tables import SEQUENCES, sequence_set


def by_count(data: StudyFiles, cells: list[CountCell]) -> Figure | None:
    """Draw each arm's MCC by the number of sequences at hand, the mean over their sets, with ceiling and floor."""
    protocols = [name for name in PROTOCOLS if any(cell.protocol == name for cell in cells)]
    if not protocols:
        return None
    arms, marks = arms_of(data, cells), style.marks(data)
    figure = style.canvas(3.1 + 0.16 * ((len(arms) + 3) // 3))
    panels = figure.subplots(1, len(protocols), sharey=True, squeeze=False)[0]
    counts = range(1, len(SEQUENCES) + 1)
    bounds = {
        count: [ceiling(data, sequence_set(names)) for names in SUBSETS if len(names) == count] for count in counts
    }
    for axes, protocol in zip(panels, protocols):
        for arm in arms:
            mark = marks[arm.name]
            line = [cell for cell in cells if cell.arm == arm.name and cell.protocol == protocol]
            where = [cell.count for cell in line]
            (points,) = axes.plot(
                where, [cell.mcc.value for cell in line], marker=mark.marker, linestyle=mark.dash, color=mark.colour,
                markeredgecolor=style.PAPER, markeredgewidth=0.5, label=arm.label,
            )  # fmt: skip
            tell(
                points,
                [
                    f"{arm.label}, {cell.count} of {len(SEQUENCES)} sequences ({protocol}): MCC {with_span(cell.mcc)}"
                    for cell in line
                ],
            )
            low, high = [cell.mcc.low for cell in line], [cell.mcc.high for cell in line]
            axes.fill_between(where, low, high, color=mark.colour, alpha=0.08, linewidth=0)
        if all(bound for found in bounds.values() for bound in found):
            top = [np.mean([bound["mcc"] for bound in found if bound]) for found in bounds.values()]
            axes.plot(counts, top, color=style.MUTED, linewidth=1.2, label="sign oracle")
        axes.axhline(0, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.set_xticks(counts)
        axes.set_xlabel("sequences at hand, mean over their sets")
        style.score_axis(axes, "y")
        axes.set_title(f"{PROTOCOLS[protocol]}\nn = {next(c.mcc.n for c in cells if c.protocol == protocol)}")
    panels[0].set_ylabel("MCC, 95 % interval over patients")
    style.legend_below(figure, panels[0])
    style.headline(figure, data.titled("External test by number of sequences"))
    return figure
