"""Confusion counts and Matthews' correlation, vectorised, by which models are chosen and judged."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def confusion(truth: NDArray[np.int64], predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return (classes, classes) counts: rows true, columns predicted."""
    return np.bincount(truth * classes + predicted, minlength=classes**2).reshape(classes, classes)


def mcc(counts: NDArray[Any]) -> NDArray[Any]:
    """Return Matthews' correlation of (…, K, K) confusion counts, in −1…1; 0 where it is undefined, as scikit-learn."""
    counts = np.asarray(counts, dtype=np.float64)
    truth, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    total, hits = truth.sum(axis=-1), np.trace(counts, axis1=-2, axis2=-1)
    covariance = hits * total - (truth * predicted).sum(axis=-1)
    spread = (total**2 - (predicted**2).sum(axis=-1)) * (total**2 - (truth**2).sum(axis=-1))
    return np.divide(covariance, np.sqrt(spread), out=np.zeros_like(covariance), where=spread > 0)
