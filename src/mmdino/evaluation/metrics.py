"""Point metrics, vectorised over leading axes so that a bootstrap is one call; equal to scikit-learn's to 1e-9."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdino.models.scores import confusion, mcc

Counts = NDArray[Any]
__all__ = ["balanced_accuracy", "confusion", "macro_auroc", "macro_f1", "mcc"]


def balanced_accuracy(counts: Counts) -> Counts:
    """Return the mean of the classes' sensitivities, in 0…1; every class must have a patient."""
    counts = np.asarray(counts, dtype=np.float64)
    return (np.diagonal(counts, axis1=-2, axis2=-1) / counts.sum(axis=-1)).mean(axis=-1)


def macro_f1(counts: Counts) -> Counts:
    """Return the mean of the classes' F1, in 0…1; 0 for a class that is neither there nor predicted."""
    counts = np.asarray(counts, dtype=np.float64)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    named = counts.sum(axis=-1) + counts.sum(axis=-2)
    return np.divide(2 * hits, named, out=np.zeros_like(hits), where=named > 0).mean(axis=-1)


def macro_auroc(truth: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray | None = None) -> Counts:
    """Return the mean over classes of the one-against-rest area under the ROC curve, in 0…1.

    Args:
        truth: (N,) int; every class must have a patient.
        probabilities: (N, K).
        weights: (N, B), how often each patient stands in each of B resamples; None: once.

    Returns:
        (B,), or a scalar array without weights.
    """
    alone = weights is None
    drawn = np.ones((len(truth), 1)) if weights is None else weights
    areas = [_auroc(truth == k, probabilities[:, k], drawn) for k in range(probabilities.shape[1])]
    mean = np.mean(areas, axis=0)
    return mean[0] if alone else mean


def _auroc(positive: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray) -> Counts:
    """Return the share of (positive, negative) pairs in the right order, by ranks; a tie counts half."""
    order = np.argsort(scores, kind="stable")
    scores, positive = scores[order], positive[order]
    starts = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(scores)]))  # of equal scores
    negatives = np.cumsum(weights[order[~positive]], axis=0)
    before = np.searchsorted(group[~positive], group[positive], side="left")  # negatives below each positive
    upto = np.searchsorted(group[~positive], group[positive], side="right")  # and those that tie with it
    padded = np.concatenate([np.zeros_like(negatives[:1]), negatives])
    drawn = weights[order[positive]]
    right = (drawn * padded[before]).sum(axis=0) + (drawn * padded[upto]).sum(axis=0)
    return right / 2 / (drawn.sum(axis=0, dtype=np.float64) * negatives[-1])
