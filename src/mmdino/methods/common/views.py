"""Training views of a batch: a draw is a function of the seed, the patient, its epoch and the view, nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmdino.config.sources import Rule
from mmdino.dataset.bank import SliceBank
from mmdino.methods.common.augment import Draws
from mmdino.methods.common.batch import Unrendered
from mmdino.methods.common.draws import Drawn, stream
from mmdino.tables import SEQUENCES

SAGITTAL = 0  # a sagittal slice has no left and right
GAMMA = 0.75, 1.5  # exponents of a bent view


@dataclass(frozen=True)
class View:
    """One kind of view.

    Attributes:
        name: part of the seed.
        size: pixels a side.
        scale: side of the crop, uniform, as a share of the slice's.
        blur: probability of a blur.
        gamma: whether intensities are bent.
        crops: ``released``: height and width are swapped in placing the crop, and the far border cuts it off.
        flip: ``released``: mirrored along the columns (front–back in axial slices) instead of left–right.
        aspect: most that height and width differ.
        jitter: how far the middle goes from the slice's (0) to a random tumour pixel (1).
    """

    name: str
    size: int
    scale: tuple[float, float]
    blur: float
    gamma: bool = False
    crops: Rule = "mended"
    flip: Rule = "mended"
    aspect: float = 4 / 3
    jitter: float = 1.0


@dataclass(frozen=True)
class Patches:
    """What views are cut from: images (B, S, …, H, H) in the wanted order, tumour (B, H, H), presence, axis."""

    images: Tensor
    tumour: NDArray[np.uint8]
    present: NDArray[np.bool_]
    axis: NDArray[np.int64]

    def __getitem__(self, rows: slice) -> "Patches":
        return Patches(self.images[rows], self.tumour[rows], self.present[rows], self.axis[rows])


def read_slices(bank: SliceBank, turns: Sequence[Drawn], sequences: Sequence[str], seed: int) -> Patches:
    """Draw and read one training slice for each patient of a batch, sequences in the order given."""
    rows = np.array([bank.draw(turn.subject, stream(seed, "slice", turn.epoch, turn.subject)) for turn in turns])
    slices = bank.read(rows)
    order = [SEQUENCES.index(name) for name in sequences]
    return Patches(
        torch.from_numpy(slices.images[:, order]),
        slices.tumour.max(axis=1) if slices.tumour.ndim > 3 else slices.tumour,  # in any plane
        slices.present[:, order],
        bank.index["axis"].to_numpy()[rows],
    )


def draw_views(
    slices: Patches, turns: Sequence[Drawn], kinds: Sequence[View], seed: int, gammas: NDArray[np.float64] | None = None
) -> Unrendered:
    """Draw a view of each kind of each patient.

    Args:
        slices: from which the views are cut.
        turns: whose they are.
        kinds: all of one size.
        seed: of the run.
        gammas: exponents (B,) of a view that is bent; None: each is drawn.
    """
    draws = tuple(_draws(slices, turns, view, seed, gammas) for view in kinds)
    return Unrendered(slices.images, draws, kinds[0].size if kinds else 0)


def _draws(slices: Patches, turns: Sequence[Drawn], view: View, seed: int, gammas: NDArray[np.float64] | None) -> Draws:
    drawn = [
        _draw(tumour, stream(seed, "view", view.name, turn.epoch, turn.subject), view)
        for tumour, turn in zip(slices.tumour, turns)
    ]
    box, flip, sigma, gamma = (np.array(column) for column in zip(*drawn))
    if view.gamma and gammas is not None:
        gamma = gammas
    if view.flip == "released":
        return Draws(box, np.zeros_like(flip), sigma, gamma, flip_columns=flip)
    return Draws(box, flip & (slices.axis != SAGITTAL), sigma, gamma)


def _draw(
    tumour: NDArray[np.uint8], rng: np.random.Generator, view: View
) -> tuple[tuple[int, ...], bool, float, float]:
    """Draw a crop about a tumour pixel (shifted inwards at a border), mirroring, blur and gamma."""
    source = tumour.shape[0]
    pixels = np.flatnonzero(tumour)
    middle = np.array(tumour.shape) // 2
    pixel = np.array(np.unravel_index(rng.choice(pixels), tumour.shape)) if len(pixels) else middle
    centre = middle + view.jitter * (pixel - middle)
    height = rng.uniform(*view.scale) * source
    sides = np.array([height, height * rng.uniform(1 / view.aspect, view.aspect)])
    corner, sides = (_place_as_released if view.crops == "released" else _place)(centre, sides, source)
    flip, blurred, sigma, gamma = (
        rng.random() < 0.5,
        rng.random() < view.blur,
        rng.uniform(0.1, 1),
        rng.uniform(*GAMMA),
    )
    return (*corner, *sides), flip, sigma if blurred else 0.0, gamma if view.gamma else 1.0


def _place(centre: NDArray, sides: NDArray, source: int) -> tuple[NDArray, NDArray]:
    """Return corner and sides of a crop whose middle lies within half a pixel of ``centre``, shifted inwards."""
    sides = np.clip(np.rint(sides), 1, source).astype(int)
    return np.clip(np.rint(centre + 0.5 - sides / 2), 0, source - sides).astype(int), sides


def _place_as_released(centre: NDArray, sides: NDArray, source: int) -> tuple[NDArray, NDArray]:
    """Return corner and sides as the released code does: half the *other* side before the centre, the rest cut off."""
    sides = sides.astype(int)
    corner = np.maximum(centre.astype(int) - sides[::-1] // 2, 0)
    return corner, np.minimum(corner + sides, source) - corner
