"""Training views of a batch: a draw is a function of the seed, the patient, its epoch and the view, nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmdino.dataset.bank import SliceBank
from mmdino.methods.common.augment import Draws, render
from mmdino.methods.common.draws import Drawn, stream
from mmdino.tables import SEQUENCES

SAGITTAL = 0  # a sagittal slice has no left and right


@dataclass(frozen=True)
class View:
    """One kind of view.

    Attributes:
        name: part of the seed.
        size: pixels a side.
        scale: side of the crop, uniform, as a share of the slice's.
        blur: probability of a blur.
        gamma: whether intensities are bent.
    """

    name: str
    size: int
    scale: tuple[float, float]
    blur: float
    gamma: bool = False


@dataclass(frozen=True)
class Patches:
    """The slices from which views are cut: images (B, S, H, H) in the wanted order, tumour, presence, axis."""

    images: Tensor
    tumour: NDArray[np.uint8]
    present: NDArray[np.bool_]
    axis: NDArray[np.int64]


def read_slices(bank: SliceBank, turns: Sequence[Drawn], sequences: Sequence[str], seed: int) -> Patches:
    """Draw and read one training slice for each patient of a batch, sequences in the order given."""
    rows = np.array([bank.draw(turn.subject, stream(seed, "slice", turn.epoch, turn.subject)) for turn in turns])
    slices = bank.read(rows)
    order = [SEQUENCES.index(name) for name in sequences]
    return Patches(
        torch.from_numpy(slices.images[:, order]),
        slices.tumour,
        slices.present[:, order],
        bank.index["axis"].to_numpy()[rows],
    )


def make_views(slices: Patches, turns: Sequence[Drawn], view: View, seed: int) -> Tensor:
    """Return one view of each patient (B, S, size, size), normalised."""
    drawn = [
        _draw(tumour, stream(seed, "view", view.name, turn.epoch, turn.subject), view)
        for tumour, turn in zip(slices.tumour, turns)
    ]
    box, flip, sigma, gamma = (np.array(column) for column in zip(*drawn))
    return render(slices.images, Draws(box, flip & (slices.axis != SAGITTAL), sigma, gamma), view.size)


def _draw(
    tumour: NDArray[np.uint8], rng: np.random.Generator, view: View
) -> tuple[tuple[int, ...], bool, float, float]:
    """Draw a crop centred on a tumour pixel (shifted inwards at a border), mirroring, blur and gamma."""
    source = tumour.shape[0]
    pixels = np.flatnonzero(tumour)
    centre = (
        np.array(np.unravel_index(rng.choice(pixels), tumour.shape)) if len(pixels) else np.array(tumour.shape) // 2
    )
    height = rng.uniform(*view.scale) * source
    sides = np.clip(np.rint([height, height * rng.uniform(3 / 4, 4 / 3)]), 1, source).astype(int)
    corner = np.clip(np.rint(centre + 0.5 - sides / 2), 0, source - sides).astype(int)
    flip, blurred, sigma, gamma = (
        rng.random() < 0.5,
        rng.random() < view.blur,
        rng.uniform(0.1, 1),
        rng.uniform(0.75, 1.5),
    )
    return (*corner, *sides), flip, sigma if blurred else 0.0, gamma if view.gamma else 1.0
