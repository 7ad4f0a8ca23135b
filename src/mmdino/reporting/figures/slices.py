"""Patients' evaluation slices: the surest mistakes with segmentation and attention, and patch tokens as colours."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mmdino.dataset.bank import SliceBank
from mmdino.errors import UserError
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.error_analysis import Mistake
from mmdino.reporting.figures import style
from mmdino.reporting.text import SHOWN, score
from mmdino.tables import SEQUENCES

SHORT = {"astrocytoma": "astro", "glioblastoma": "GBM", "oligodendroglioma": "oligo"}
MOST = 6
TUMOUR = "#ffb000"
SIDE = 0.92  # of a picture in its cell


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
    heads = [SHOWN[name] for name in SEQUENCES]
    axes = _grid(figure, [*heads, *(f"on {head}" for head in heads if tokens)], [_told(one) for one in mine])
    for row, mistake in enumerate(mine):
        slices = shown[mistake.subject]
        for column, name in enumerate(SEQUENCES):
            _picture(axes, (row, column), slices.images[column], slices.tumour)
            place = tokens.of(mistake.subject) if tokens else None
            if tokens and place is not None and name in tokens.sequences:
                maps = tokens.attention[place].astype(np.float32)
                here = (row, column + len(SEQUENCES))
                _image(axes, here, slices.images[column], cmap="gray", vmax=1)
                attention = upright(maps[tokens.sequences.index(name)])
                _image(axes, here, attention, cmap="inferno", vmax=maps.max(), alpha=0.6)
    title = f"The surest mistakes of {data.reference.label}" if data.reference else ""
    style.headline(figure, data.titled(title))
    return figure


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
    heads = [head for name in tokens.sequences for head in (SHOWN[name], "tokens")]
    axes = _grid(figure, heads, [_short(name) for name in chosen])
    for row, name in enumerate(chosen):
        place = tokens.of(name)
        for number, sequence in enumerate(tokens.sequences):
            _picture(axes, (row, 2 * number), shown[name].images[SEQUENCES.index(sequence)], shown[name].tumour)
            colours = np.moveaxis(upright(np.moveaxis(tokens.colours[place, number], -1, 0)), 0, -1)
            _image(axes, (row, 2 * number + 1), colours)
    style.headline(figure, data.titled("Patch tokens as colours"))
    return figure


def _told(mistake: Mistake) -> str:
    wrong = f"not {SHORT[mistake.predicted]} ({score(mistake.confidence)})"
    return f"{_short(mistake.subject)}\nis {SHORT[mistake.truth]}\n{wrong}"


def _short(name: str) -> str:
    return name if len(name) <= 22 else f"{name[:21]}…"


def _grid(figure: Figure, heads: list[str], labels: list[str]) -> Axes:
    """Return axes for pictures in cells of 1 × 1; one for all of them, since each would cost as much as a whole chart."""
    axes = figure.subplots()
    axes.set(xlim=(0, len(heads)), ylim=(len(labels), 0), aspect="equal")
    axes.set_xticks(np.arange(len(heads)) + SIDE / 2, heads, fontsize=7, fontweight="bold")
    axes.set_yticks(np.arange(len(labels)) + SIDE / 2, labels, fontsize=6.5)
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return axes


def _picture(axes: Axes, cell: tuple[int, int], image: NDArray, tumour: NDArray) -> None:
    left, right, bottom, top = _image(axes, cell, image, cmap="gray", vmax=1)
    if tumour.any() and not tumour.all():
        height, width = tumour.shape
        x = left + (np.arange(width) + 0.5) * (right - left) / width
        y = top + (np.arange(height) + 0.5) * (bottom - top) / height
        axes.contour(x, y, tumour, levels=[0.5], colors=TUMOUR, linewidths=0.7)


def _image(axes: Axes, cell: tuple[int, int], image: NDArray, **options: Any) -> tuple[float, float, float, float]:
    """Draw an image in a cell (row, column) of a grid; return where it lies: left, right, bottom and top."""
    height, width = image.shape[:2]
    row, column = cell
    x, y = (SIDE * side / max(height, width) for side in (width, height))
    left, top = column + (SIDE - x) / 2, row + (SIDE - y) / 2
    place = (left, left + x, top + y, top)
    axes.imshow(image, extent=place, interpolation="none", vmin=0, **options)
    return place
