"""MCC by cohort and site, external test and validation."""

from matplotlib.figure import Figure

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.error_analysis import GroupRow
from mmdino.reporting.figures import style
from mmdino.reporting.figures.telling import tell
from mmdino.reporting.text import with_span

MOST = 40  # groups that can still be read
SAID = {"test": "external test", "val": "validation"}


def mcc_by_group(data: StudyFiles, rows: list[GroupRow]) -> Figure | None:
    """Draw each arm's MCC with its interval, a line a cohort or site; the external test first, a rule below it."""
    rows = [row for row in rows if row.mcc]
    groups = list(dict.fromkeys((row.split, row.cohort, row.site, row.n) for row in rows))[:MOST]
    if not groups:
        return None
    arms = list(dict.fromkeys(row.arm for row in rows))
    marks = style.marks(data)
    figure = style.canvas(1.0 + 0.16 * ((len(arms) + 2) // 3) + (0.16 + 0.09 * len(arms)) * len(groups))
    axes = figure.subplots()
    step = 0.75 / max(len(arms), 1)
    for order, arm in enumerate(arms):
        mark = marks[arm]
        mine = {(row.split, row.cohort, row.site, row.n): row.mcc for row in rows if row.arm == arm}
        seen = [(place, mcc) for place, group in enumerate(groups) if (mcc := mine.get(group))]
        points, *_ = axes.errorbar(
            [mcc.value for _, mcc in seen], [place + (order - (len(arms) - 1) / 2) * step for place, _ in seen],
            xerr=[[mcc.value - mcc.low for _, mcc in seen], [mcc.high - mcc.value for _, mcc in seen]],
            fmt=mark.marker, color=mark.colour, markeredgecolor=style.PAPER, markeredgewidth=0.5, elinewidth=1,
            label=data.named(arm).label,
        )  # fmt: skip
        tell(points, [f"{data.named(arm).label}, {_said(groups[place])}: MCC {with_span(mcc)}" for place, mcc in seen])
    axes.set_yticks(range(len(groups)), [_said(group) for group in groups])
    for place in range(1, len(groups)):
        changed = groups[place][0] != groups[place - 1][0]
        axes.axhline(place - 0.5, color=style.MUTED if changed else style.LINE, linewidth=0.9 if changed else 0.6)
    axes.set_ylim(len(groups) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.axvline(0, color=style.MUTED, linewidth=0.9, linestyle=(0, (4, 2)))
    style.score_axis(axes)
    axes.set_xlabel("MCC, 95 % interval over patients")
    style.legend_below(figure, axes)
    style.headline(figure, data.titled("By cohort and site"))
    return figure


def _said(group: tuple[str, str, str, int]) -> str:
    split, cohort, site, n = group
    return f"{SAID[split]}: {cohort}{f', {site}' if site else ''} (n = {n})"
