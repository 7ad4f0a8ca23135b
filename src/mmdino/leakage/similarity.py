"""Which brains are one brain: all pairs by correlation of what is individual in their crops, then each candidate again."""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mmdino.leakage.descriptor import GRID

COMMON = 20  # principal components that many brains share (scanners, ages, sizes of ventricles) and that are taken out
SAMPLE = 400  # brains from which these are learnt
FEWEST = 40  # brains, below which what is common cannot be told from what is individual
CANDIDATE = 0.2  # correlation from which a pair is looked at again
BLOCKS = (4, 4, 4)
LIGHT = 0.25  # quantile of the blocks' weights at which they are cut for the agreement everywhere
CHUNK = 256


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """Two brains by number, first < second; whether one is mirrored; and how alike they are, by two measures.

    The score says by how many standard deviations their agreement lies above what each of the two has with all others
    (the mean of both): so a brain of an unusual scanner, which resembles many, needs more to be taken for another.
    ``everywhere`` is an agreement in which no place counts for more than the others: tumours of one size in one place,
    and what they push aside, make two patients alike there, and only a brain that is the same agrees everywhere.
    """

    first: int
    second: int
    score: float
    everywhere: float
    mirrored: bool


def similar_pairs(crops: NDArray[np.floating], least: float) -> list[Pair]:
    """Return the pairs whose score is ``least`` or more, the best first.

    Fewer than ``FEWEST`` brains are not compared, with a warning.

    Args:
        crops: (N, 4, *GRID) of :func:`mmdino.leakage.descriptor.describe`; zeros where a patient has none.
        least: the lowest score.
    """
    brains = np.flatnonzero(np.any(crops != 0, axis=(1, 2, 3, 4)))
    if len(brains) < FEWEST:
        log.warning("%d whole brains are too few to compare by what they look like (%d needed)", len(brains), FEWEST)
        return []
    individual = individuality(crops[brains])
    candidates, mean, spread = _candidates(individual)
    pairs = []
    for first, second, mirrored in candidates:
        value, everywhere = agreements(individual[first], _mirror(individual[second], mirrored))
        score = float(np.mean([(value - mean[one]) / spread[one] for one in (first, second)]))
        pairs.append(Pair(int(brains[first]), int(brains[second]), score, everywhere, mirrored))
    return sorted((pair for pair in pairs if pair.score >= least), key=lambda pair: -pair.score)


def individuality(crops: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return (N, 4, *GRID): each crop less the symmetric mean brain and what brains have in common, of length one.

    A sequence that is missing stays zero.
    """
    count = len(crops)
    present = np.any(crops != 0, axis=(2, 3, 4))
    mean = crops.sum(axis=0, dtype=np.float32) / np.maximum(present.sum(axis=0), 1)[:, None, None, None]
    mean = (mean + mean[:, ::-1]) / 2
    own = crops.astype(np.float32)
    own -= mean
    own *= present[..., None, None, None]
    flat = own.reshape(count, -1)
    sample = np.linspace(0, count - 1, min(count, SAMPLE)).astype(int)  # of every cohort, whichever comes last
    basis = _common(own[sample], min(COMMON, count // 20))
    for start in range(0, count, CHUNK):
        rows = flat[start : start + CHUNK]
        rows -= (rows @ basis.T) @ basis
    own *= present[..., None, None, None]
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6)
    return own


def agreements(a: NDArray[np.float32], b: NDArray[np.float32]) -> tuple[float, float]:
    """Return the mean correlation of blocks of two brains over the sequences that both have, weighted in two ways.

    By their energy; and by their energy as far as a light block has it (``LIGHT``), so that no place outweighs the others.
    """
    shared = np.any(a != 0, axis=(1, 2, 3)) & np.any(b != 0, axis=(1, 2, 3))
    a, b = a[shared], b[shared]
    energy_a, energy_b = _blocks(a * a), _blocks(b * b)
    both = np.sqrt(energy_a * energy_b)
    correlation = _blocks(a * b) / np.sqrt(energy_a * energy_b + 1e-12)
    light = np.minimum(both, np.quantile(both, LIGHT))
    return _weighted(correlation, energy_a), _weighted(correlation, light)


def _weighted(values: NDArray, weights: NDArray) -> float:
    return float((values * weights).sum() / max(weights.sum(), 1e-12))


def _common(sample: NDArray[np.float32], components: int) -> NDArray[np.float32]:
    """Return (components, voxels): the main directions of a sample and its mirror images."""
    both = np.concatenate([sample, sample[:, :, ::-1]]).reshape(2 * len(sample), -1)
    _, vectors = np.linalg.eigh(both @ both.T)
    basis = vectors[:, ::-1][:, :components].T @ both
    return basis / np.maximum(np.linalg.norm(basis, axis=1, keepdims=True), 1e-6)


def _candidates(individual: NDArray[np.float32]) -> tuple[list[tuple[int, int, bool]], NDArray, NDArray]:
    """Return the pairs whose correlation is ``CANDIDATE`` or more, and each brain's mean and spread over all others.

    Correlations are those over the sequences that both have, of the better of straight and mirrored. Above
    ``CANDIDATE`` they are cut for mean and spread, so that copies do not hide each other.
    """
    count = len(individual)
    even, odd = _parities(individual)
    present = np.any(individual != 0, axis=(2, 3, 4)).astype(np.float32)
    owned = present.sum(axis=1)
    found, total, squares = [], np.zeros(count), np.zeros(count)
    for start in tqdm(range(0, count, CHUNK), desc="all pairs of brains", disable=None):
        chunk = slice(start, start + CHUNK)
        shared = present[start:] @ present[chunk].T
        scale = np.sqrt(np.outer(owned[start:], owned[chunk])) / np.maximum(shared, 1)
        same, opposite = even[start:] @ even[chunk].T, odd[start:] @ odd[chunk].T
        straight, mirrored = scale * (same + opposite), scale * (same - opposite)
        best = np.tril(np.maximum(straight, mirrored), -1)  # second > first
        for second, first in np.argwhere(best >= CANDIDATE):
            turned = bool(mirrored[second, first] > straight[second, first])
            found.append((int(start + first), int(start + second), turned))
        cut = np.minimum(best, CANDIDATE).astype(np.float64)
        for sums, values in ((total, cut), (squares, cut**2)):
            sums[start:] += values.sum(axis=1)
            sums[chunk] += values.sum(axis=0)
    mean = total / (count - 1)
    return found, mean, np.sqrt(squares / (count - 1) - mean**2)


def _parities(crops: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what is even and what is odd in each brain when left and right are exchanged, (N, half of the voxels) each.

    Two brains' product is the sum of their parts' products; with one of them mirrored, it is the difference.
    """
    left, right = crops[:, :, : GRID[0] // 2], crops[:, :, : GRID[0] // 2 - 1 : -1]
    scale = np.float32(np.sqrt(0.5))
    return ((left + right) * scale).reshape(len(crops), -1), ((left - right) * scale).reshape(len(crops), -1)


def _mirror(crops: NDArray[np.float32], flip: bool) -> NDArray[np.float32]:
    return crops[..., ::-1, :, :] if flip else crops


def _blocks(product: NDArray[np.float32]) -> NDArray[np.float32]:
    parts = [part for length, blocks in zip(GRID, BLOCKS) for part in (blocks, length // blocks)]
    return product.sum(axis=0).reshape(parts).sum(axis=(1, 3, 5))
