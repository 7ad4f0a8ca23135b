"""Texture of a tumour in one plane: grey-level co-occurrence and run lengths, each averaged over four directions.

Definitions: Image Biomarker Standardisation Initiative (IBSI), reference manual; a test holds them to its digital
phantom's published values ("2D, averaged").
"""

import numpy as np
from numpy.typing import NDArray
from skimage.feature import graycomatrix, graycoprops

ANGLES = (0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
COOCCURRENCES = ("contrast", "homogeneity", "energy", "correlation")
RUNS = ("short", "long", "low_grey", "high_grey", "grey_nonuniformity", "length_nonuniformity", "percentage")


def cooccurrence(grey: NDArray[np.uint8], levels: int, distances: list[int]) -> NDArray[np.float64]:
    """Return ``COOCCURRENCES`` by distance, (4 · distances,), of grey levels (H, W) in 1…levels; 0 is outside."""
    pairs = graycomatrix(grey, distances, ANGLES, levels + 1, symmetric=True)[1:, 1:]
    return np.concatenate([graycoprops(pairs, figure).mean(axis=1) for figure in COOCCURRENCES])


def run_lengths(grey: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return ``RUNS`` (7,) of grey levels (H, W), 0 being outside; zeros where there is no pixel."""
    if not grey.any():
        return np.zeros(len(RUNS))
    return np.mean([_figures(*_runs(line), int(np.count_nonzero(grey))) for line in _lines(grey)], axis=0)


def _lines(grey: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return the pixels along rows, columns and both diagonals, each as one line with a 0 between two."""
    grids = (grey, grey.T, _sheared(grey).T, _sheared(grey[:, ::-1]).T)
    return [np.pad(grid, ((0, 0), (0, 1))).ravel() for grid in grids]


def _sheared(grey: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (H, W + H − 1) in which row i has moved i pixels to the right, so that diagonals stand upright."""
    height, width = grey.shape
    padded = np.pad(grey, ((0, 0), (0, height))).ravel()
    return padded[: height * (width + height - 1)].reshape(height, width + height - 1)


def _runs(line: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return grey level and length of each run of equal levels."""
    starts = np.flatnonzero(np.diff(line, prepend=0))
    lengths = np.diff(starts, append=len(line))
    inside = line[starts] > 0
    return line[starts][inside].astype(np.float64), lengths[inside]


def _figures(level: NDArray[np.float64], length: NDArray[np.int64], pixels: int) -> list[float]:
    count = len(level)
    return [
        (1.0 / length**2).mean(),
        (length**2).mean(),
        (1 / level**2).mean(),
        (level**2).mean(),
        (np.bincount(level.astype(int)) ** 2).sum() / count**2,
        (np.bincount(length) ** 2).sum() / count**2,
        count / pixels,
    ]
