"""Patients' evaluation slices: the surest mistakes with segmentation and attention, and patch tokens as colours."""

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmdino.dataset.bank import SliceBank
from mmdino.errors import UserError
from mmdino.insight.record import TokenMaps
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.error_analysis import Mistake
from mmdino.reporting.figures import style
from mmdino.reporting.text import SHOWN, score
from mmdino.tables import SEQUENCES

SHORT = {"astrocytoma": "astro", "glioblastoma": "GBM", "oligodendroglioma": "oligo"}
MOST = 6
TUMOUR = "#ffb000"


@dataclass(frozen=True)
class Shown:
    """A patient's slice: ``images`` (4, H, W) in 0…1, upright; ``tumour`` (H, W)."""

    images: NDArray[np.float32]
    tumour: NDArray[np.uint8]


def slices_of(data: StudyFiles, subjects: list[str]) -> dict[str, Shown]:
    """Return the evaluation slices of those subjects who are in a slice bank; empty where the banks can't be read."""
    folders = [data.results / "cohorts" / name / "slices" for name in data.study.study.cohorts]
    try:
        bank = SliceBank.open([folder for folder in folders if folder.exists()]) if subjects else None
        known = [name for name in subjects if bank and name in bank.subjects]
        if bank is None or not known:
            return {}
        read = bank.read([bank.evaluation_row(name) for name in known])
    except (UserError, IndexError):
        return {}
    return {name: Shown(upright(read.images[row]), upright(read.tumour[row])) for row, name in enumerate(known)}


def upright(array: NDArray) -> NDArray:
    """Turn (…, left–right, back–front) so that the front is up: rows are the second axis, reversed."""
    return np.flip(np.swapaxes(array, -1, -2), -2)


def surest_mistakes(data: StudyFiles, mistakes: list[Mistake]) -> Figure | None:
    """Draw the reference arm's surest mistakes: four sequences with the tumour's outline, and CLS's attention on them."""
    mine = [one for one in mistakes if data.reference and one.arm == data.reference.name][:MOST]
    shown = slices_of(data, [one.subject for one in mine])
    mine = [one for one in mine if one.subject in shown]
    if not mine:
        return None
    tokens = data.insight.tokens if data.insight else None
    figure = style.canvas(0.6 + (0.75 if tokens else 1.3) * len(mine))
    panels = figure.subplots(len(mine), 8 if tokens else 4, squeeze=False)
    for row, (axes, mistake) in enumerate(zip(panels, mine)):
        slices = shown[mistake.subject]
        for number, name in enumerate(SEQUENCES):
            _picture(axes[number], slices.images[number], slices.tumour, SHOWN[name] if row == 0 else "")
            if tokens:
                _attention(axes[4 + number], tokens, mistake.subject, name, slices, row == 0)
        axes[0].set_ylabel(
            f"{_short(mistake.subject)}\nis {SHORT[mistake.truth]}\nnot {SHORT[mistake.predicted]} ({score(mistake.confidence)})",
            rotation=0, ha="right", va="center", fontsize=6.5,
        )  # fmt: skip
    title = f"The surest mistakes of {data.reference.title}" if data.reference else ""
    style.headline(figure, data.titled(title))
    return figure


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"


def _picture(axes: Axes, image: NDArray, tumour: NDArray, title: str) -> None:
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="none")
    if tumour.any() and not tumour.all():
        axes.contour(tumour, levels=[0.5], colors=TUMOUR, linewidths=0.7)
    bare(axes, title)


def bare(axes: Axes, title: str) -> None:
    """Leave a picture without axes, titled."""
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=7)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _attention(axes: Axes, tokens: TokenMaps, subject: str, name: str, slices: Shown, first: bool) -> None:
    place = tokens.of(subject)
    bare(axes, f"on {SHOWN[name]}" if first else "")
    if place is None or name not in tokens.sequences:
        axes.set_axis_off()
        return
    maps = tokens.attention[place].astype(np.float32)
    height, width = slices.tumour.shape
    image = slices.images[SEQUENCES.index(name)]
    axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="none")
    axes.imshow(
        upright(maps[tokens.sequences.index(name)]), cmap="inferno", vmin=0, vmax=maps.max(), alpha=0.6,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5), interpolation="none",
    )  # fmt: skip


def token_colours(data: StudyFiles) -> Figure | None:
    """Draw, for some validation and external patients, each sequence's slice and beside it its patch tokens as colours."""
    tokens = data.insight.tokens if data.insight else None
    if tokens is None or not len(tokens.subjects):
        return None
    chosen = [str(name) for name in tokens.subjects[:: max(1, len(tokens.subjects) // 4)][:4]]
    shown = slices_of(data, chosen)
    chosen = [name for name in chosen if name in shown]
    if not chosen:
        return None
    figure = style.canvas(0.6 + 0.75 * len(chosen))
    panels = figure.subplots(len(chosen), 2 * len(tokens.sequences), squeeze=False)
    for row, (axes, name) in enumerate(zip(panels, chosen)):
        place = tokens.of(name)
        for number, sequence in enumerate(tokens.sequences):
            title = SHOWN[sequence] if row == 0 else ""
            left, right = axes[2 * number : 2 * number + 2]
            _picture(left, shown[name].images[SEQUENCES.index(sequence)], shown[name].tumour, title)
            colours = np.moveaxis(upright(np.moveaxis(tokens.colours[place, number], -1, 0)), 0, -1)
            right.imshow(colours, interpolation="none")
            bare(right, "tokens" if row == 0 else "")
        axes[0].set_ylabel(_short(name), rotation=0, ha="right", va="center", fontsize=6.5)
    style.headline(figure, data.titled("Patch tokens as colours"))
    return figure
