"""MCC by the share of labels or of unlabelled patients that training sees."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from mmdino.evaluation.compare import Estimate
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import MainRow
from mmdino.reporting.figures import style
from mmdino.reporting.figures.telling import tell
from mmdino.reporting.text import with_span

SHARES = {
    "labelled_fraction": "share of the labels that training sees",
    "unlabelled_fraction": "share of the unlabelled patients that training sees",
}
LOGARITHMIC = "labelled_fraction"  # of labels some are there in any run; 5 % and 10 % stand apart as 50 % and 100 % do
Curve = list[tuple[float, Estimate]]


def fraction_curves(data: StudyFiles, rows: Sequence[MainRow]) -> Figure | None:
    """Draw a line a file of variants that differ in a share; a method's plain arm is its point at 100 %."""
    panels = {share: curves(data, rows, share) for share in SHARES}
    panels = {share: found for share, found in panels.items() if found}
    if not panels:
        return None
    figure = style.canvas(3.3)
    across = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, (share, found) in zip(across, panels.items()):
        shares = sorted({where for curve in found.values() for where, _ in curve})
        if share == LOGARITHMIC:
            axes.set_xscale("log")
            axes.xaxis.set_minor_locator(NullLocator())
        for order, (arm, curve) in enumerate(found.items()):
            places = [_beside(where, order - (len(found) - 1) / 2, share) for where, _ in curve]
            _draw(axes, places, curve, style.marks(data)[arm], data.named(arm).label)
        axes.set_xticks(shares, [f"{100 * where:.0f} %" for where in shares])
        axes.set_xlabel(SHARES[share])
        axes.set_title(f"n = {max(mcc.n for curve in found.values() for _, mcc in curve)}")
        style.score_axis(axes, "y")
        axes.legend(loc="lower right")
    across[0].set_ylabel("MCC, 95 % interval over patients")
    style.headline(figure, data.titled("External test with fewer labels, or fewer unlabelled patients"))
    return figure


def curves(data: StudyFiles, rows: Sequence[MainRow], share: str) -> dict[str, Curve]:
    """Return, by the plain arm that is like it in all else, its MCC by share, where at least two are there."""
    mcc = {row.arm: row.mcc for row in rows if row.mcc}
    seen = {name: getattr(data.named(name).experiment.data, share) for name in mcc}
    plain = {_kind(data, name, share): name for name in reversed(mcc) if seen[name] == 1}
    found: dict[str, dict[float, Estimate]] = defaultdict(dict)
    for name, estimate in mcc.items():
        if seen[name] < 1 and _kind(data, name, share) in plain:
            arm = plain[_kind(data, name, share)]
            found[arm] |= {seen[name]: estimate, 1.0: mcc[arm]}
    return {arm: sorted(points.items()) for arm, points in found.items()}


def _kind(data: StudyFiles, name: str, share: str) -> str:
    """Return what arms of one curve have in common: all that they are trained and asked with, but the share."""
    seen = data.named(name).experiment.data.model_dump(exclude={share})
    resolved = data.study.resolved(name)
    return f"{resolved['method']} {resolved['settings']} {data.study.policy(name)} {seen}"


def _beside(where: float, step: float, share: str) -> float:
    """Return where an arm's point stands: beside those of other arms, whose intervals would lie upon its own."""
    return where * 1.04**step if share == LOGARITHMIC else where + 0.01 * step


def _draw(axes: Axes, places: list[float], curve: Curve, mark: style.Mark, title: str) -> None:
    value, low, high = (np.array([getattr(mcc, part) for _, mcc in curve]) for part in ("value", "low", "high"))
    points, *_ = axes.errorbar(
        places, value, yerr=np.array([value - low, high - value]), fmt=mark.marker,
        linestyle=mark.dash, color=mark.colour, markeredgecolor=style.PAPER, markeredgewidth=0.5, elinewidth=0.9,
        label=title,
    )  # fmt: skip
    tell(points, [f"{title}, {100 * where:.0f} %: MCC {with_span(mcc)}, seeds: {mcc.runs}" for where, mcc in curve])
