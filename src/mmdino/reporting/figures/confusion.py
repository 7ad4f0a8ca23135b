"""Who is taken for whom: confusion matrices on the external test."""

import textwrap
from collections.abc import Collection

import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from mmdino.evaluation.predictions import Answers
from mmdino.reporting.data import Arm, StudyFiles
from mmdino.reporting.estimates import counted
from mmdino.reporting.figures import style

SHORT = ("astro", "GBM", "oligo")
ACROSS = 4


def confusion_matrices(data: StudyFiles, names: Collection[str]) -> Figure | None:
    """Draw a matrix an arm: share of the true class as colour, patients as numbers, the mean over seeds."""
    arms = [(arm, runs) for arm in data.shown() if arm.name in names and (runs := arm.answers("test"))]
    if not arms:
        return None
    down = -(-len(arms) // ACROSS)
    figure = style.canvas(0.5 + 1.85 * down)
    panels = figure.subplots(down, ACROSS, squeeze=False)
    for axes in panels.flat[len(arms) :]:
        axes.set_visible(False)
    for place, (axes, (arm, runs)) in enumerate(zip(panels.flat, arms)):
        counts = np.mean([counted(run) for run in runs], axis=0)  # so that arms of several seeds compare with others
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        text = np.array([[f"{n:,.0f}\n{100 * s:.0f} %" for n, s in zip(*row)] for row in zip(counts, share)])
        sns.heatmap(
            share, ax=axes, annot=text, fmt="", vmin=0, vmax=1, cmap=style.SCALE, cbar=False, square=True,
            linewidths=0.8, linecolor=style.PAPER, annot_kws={"fontsize": 6.5}, xticklabels=SHORT, yticklabels=SHORT,
        )  # fmt: skip
        style.readable(axes)
        axes.tick_params(length=0, rotation=0, labelsize=7)
        axes.set_title(f"{_wrapped(arm.title)}\n{_asked(arm, runs)}", fontsize=7.5, linespacing=1.25)
        axes.set_ylabel("true" if place % ACROSS == 0 else "")
        axes.set_xlabel("predicted" if place + ACROSS >= len(arms) else "")
    style.headline(figure, data.titled("Confusion on the external test"))
    return figure


def _asked(arm: Arm, runs: list[Answers]) -> str:
    """Return how many patients were asked, and with how many seeds; with what sets the arm apart below."""
    seeds = f", {len(runs)} seeds" if len(runs) > 1 and not arm.apart else ""
    return f"n = {len(runs[0])}{seeds}" + (f"\n{_wrapped(arm.apart)}" if arm.apart else "")


def _wrapped(title: str) -> str:
    return "\n".join(textwrap.wrap(title, 18, max_lines=3, placeholder=" …"))
