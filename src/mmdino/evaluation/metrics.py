"""Metrics of class probabilities, vectorised over resamples of the patients; the tests hold them to scikit-learn's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdino.models.scores import confusion, mcc
from mmdino.tables import CLASSES

Counts = NDArray[Any]
LABELS = list(range(len(CLASSES)))
BY_CLASS = tuple(f"{kind}_{name}" for kind in ("sensitivity", "specificity") for name in CLASSES)
AREAS = ("auroc", "auroc_ovo")
METRICS = ("mcc", "balanced_accuracy", *AREAS, "f1", *BY_CLASS, "brier", "log_loss", "ece")
BOUNDS = {**dict.fromkeys(METRICS, (0.0, 1.0)), "mcc": (-1.0, 1.0), "brier": (0.0, 2.0), "log_loss": (0.0, np.inf)}
BINS = 15  # of the calibration error, as Guo et al. 2017
__all__ = ["BOUNDS", "BY_CLASS", "METRICS", "calibration_error", "confusion", "mcc", "points", "resampled"]


def points(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], names: Sequence[str] = METRICS
) -> dict[str, float]:
    """Return the metrics named; each class must have a patient.

    Ranges: MCC −1…1; Brier (the sum over classes, not halved) 0…2; log-loss 0…∞; all others 0…1. ``auroc`` is the
    macro mean of one class against the rest (Hanley and McNeil), ``auroc_ovo`` of one against one (Hand and Till).

    Args:
        truth: (N,) index into ``tables.CLASSES``.
        probabilities: (N, 3), rows sum to 1.
        names: of ``METRICS``.
    """
    once = np.ones((len(truth), 1))
    return {name: float(value[0]) for name, value in resampled(truth, probabilities, once, names).items()}


def resampled(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray, names: Sequence[str] = METRICS
) -> dict[str, NDArray]:
    """Return the metrics named in each of B resamples (B,); every class must have a patient in each.

    Args:
        truth: (N,).
        probabilities: (N, 3).
        weights: (N, B) floats, how often each patient stands in each resample.
        names: of ``METRICS``; areas under curves cost most.
    """
    cells = _cells(truth, probabilities.argmax(axis=1))
    losses, gaps = _losses(truth, probabilities), _gaps(truth, probabilities)
    summed = weights.T @ np.concatenate([cells, losses, gaps], axis=1).astype(weights.dtype)  # one product for all
    counts = summed[:, : cells.shape[1]].reshape(-1, len(CLASSES), len(CLASSES)).astype(np.float64)
    total, hits = counts.sum(axis=(1, 2)), np.diagonal(counts, axis1=1, axis2=2)
    true, named = counts.sum(axis=2), counts.sum(axis=1)
    others = total[:, None] - true
    sensitivity, specificity = hits / true, (others - (named - hits)) / others
    brier, log_loss = summed[:, cells.shape[1] :][:, :2].T / total
    error = np.abs(summed[:, -BINS:]).sum(axis=1) / total
    areas = _areas(truth, probabilities, weights) if set(AREAS) & set(names) else ()
    found = {
        "mcc": mcc(counts),
        "balanced_accuracy": sensitivity.mean(axis=1),
        **dict(zip(AREAS, areas)),
        "f1": (2 * hits / np.maximum(true + named, 1)).mean(axis=1),
        **dict(zip(BY_CLASS, [*sensitivity.T, *specificity.T])),
        "brier": brier,
        "log_loss": log_loss,
        # Resampling adds calibration error of its own, so that the replicates are centred on the value.
        "ece": np.maximum(error - error.mean() + calibration_error(truth, probabilities), 0),
    }
    return {name: found[name] for name in names}


def calibration_error(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Return the expected calibration error of the named class, over bins of equal width (Guo et al. 2017)."""
    return float(np.abs(_gaps(truth, probabilities).sum(axis=0)).sum() / len(truth))


def _cells(truth: NDArray[np.int64], predicted: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return (N, 9), 1 in each patient's cell of the confusion matrix."""
    return np.eye(len(CLASSES) ** 2)[truth * len(CLASSES) + predicted]


def _losses(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N, 2): each patient's Brier score and log-loss."""
    least = np.finfo(np.float64).eps  # as scikit-learn
    given = probabilities[np.arange(len(truth)), truth].clip(least, 1 - least)
    return np.c_[((probabilities - np.eye(len(CLASSES))[truth]) ** 2).sum(axis=1), -np.log(given)]


def _gaps(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N, BINS): by how much each patient's answer is better than its confidence, in the confidence's bin."""
    confidence = probabilities.max(axis=1)
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.zeros((len(truth), BINS))
    gaps[np.arange(len(truth)), place] = (probabilities.argmax(axis=1) == truth) - confidence
    return gaps


def _areas(truth: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray) -> tuple[NDArray, NDArray]:
    """Return macro AUROC (B,) of one against the rest and of one against one.

    An area is the share of pairs (of the class, of another) in the right order; a tie counts half. Both means are made
    from the same shares.
    """
    rest, pairs = [], []
    for k in LABELS:
        mine, right, size = weights[truth == k], np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
        for j in LABELS:
            if j != k:
                theirs = weights[truth == j]
                high, low = probabilities[truth == k, k][:, None], probabilities[truth == j, k][None]
                ordered = ((high > low) + np.float32(0.5) * (high == low)).astype(weights.dtype)
                share = ((ordered @ theirs) * mine).sum(axis=0, dtype=np.float64)
                number = mine.sum(axis=0, dtype=np.float64) * theirs.sum(axis=0, dtype=np.float64)
                pairs.append(share / number)
                right, size = right + share, size + number
        rest.append(right / size)
    return np.mean(rest, axis=0), np.mean(pairs, axis=0)
