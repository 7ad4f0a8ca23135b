"""Resampling of patients, stratified by class, and exchanging of two arms' answers: every interval, every test."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95


def resample(truth: NDArray[np.int64], replicates: int, seed: int = 0) -> NDArray[np.float32]:
    """Return (N, B): how often each patient stands in each replicate; each class keeps its number of patients.

    A function of the labels in their order and the seed, so two arms asked about the same patients (sorted by subject)
    get the same replicates, which is what makes their comparison a paired one.
    """
    weights = np.zeros((len(truth), replicates), np.float32)
    rng = np.random.default_rng([seed, 2000])
    for name in np.unique(truth):
        members = np.flatnonzero(truth == name)
        share = np.full(len(members), 1 / len(members))
        weights[members] = rng.multinomial(len(members), share, size=replicates).T
    return weights


def resample_once(truth: NDArray[np.int64], replicates: int) -> NDArray[np.float32]:
    """Return what :func:`resample` does, to be read only: drawn once for the same labels."""
    return _drawn(truth.astype(np.int64).tobytes(), replicates)


@lru_cache(maxsize=16)  # the external test, and its cohorts and sites: a report asks for each hundreds of times
def _drawn(truth: bytes, replicates: int) -> NDArray[np.float32]:
    return resample(np.frombuffer(truth, np.int64), replicates)


def resampled_confusion(
    truth: NDArray[np.int64], predicted: NDArray[np.int64], weights: NDArray[np.float32], classes: int
) -> NDArray[np.float32]:
    """Return (B, classes, classes) confusion counts of the replicates."""
    cells = np.zeros((len(truth), classes**2), np.float32)
    cells[np.arange(len(truth)), truth * classes + predicted] = 1
    return (weights.T @ cells).reshape(-1, classes, classes)


def interval(values: NDArray) -> tuple[float, float]:
    """Return the 95 % percentile interval of replicates (B,)."""
    low, high = np.quantile(np.asarray(values, np.float64), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


@lru_cache(maxsize=4)  # a report asks for the same ones hundreds of times
def exchanges(patients: int, permutations: int, seed: int = 0) -> NDArray[np.float32]:
    """Return (N, B) of 0 and 1, to be read only: whose answers two arms exchange in each permutation."""
    rng = np.random.default_rng([seed, 5000])
    return rng.integers(0, 2, (patients, permutations)).astype(np.float32)


def permutation_p(difference: float, permuted: NDArray) -> float:
    """Return the two-sided p of a difference among those of permutations (Phipson and Smyth 2010: never 0)."""
    as_large = np.abs(permuted) >= abs(difference) - 1e-9
    return float((as_large.sum() + 1) / (len(permuted) + 1))


def two_sided_p(differences: NDArray) -> float:
    """Return the two-sided bootstrap p of replicates of a difference against 0, never below 2 / (B + 1)."""
    tail = min((differences <= 0).sum(), (differences >= 0).sum())
    return float(min(1.0, 2 * (tail + 1) / (len(differences) + 1)))
