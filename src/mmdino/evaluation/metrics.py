"""Metrics of class probabilities: point values by scikit-learn; over resamples of the patients ours, vectorised."""

from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn import metrics as sk

from mmdino.models.scores import confusion, mcc
from mmdino.tables import CLASSES

Counts = NDArray[Any]
LABELS = list(range(len(CLASSES)))
BY_CLASS = tuple(f"{kind}_{name}" for kind in ("sensitivity", "specificity") for name in CLASSES)
METRICS = ("mcc", "balanced_accuracy", "auroc", "auroc_ovo", "f1", *BY_CLASS, "brier", "log_loss", "ece")
BOUNDS = {**dict.fromkeys(METRICS, (0.0, 1.0)), "mcc": (-1.0, 1.0), "brier": (0.0, 2.0), "log_loss": (0.0, np.inf)}
BINS = 15  # of the calibration error, as Guo et al. 2017
__all__ = ["BOUNDS", "BY_CLASS", "METRICS", "calibration_error", "confusion", "mcc", "points", "resampled"]


def points(truth: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Return every metric of ``METRICS``; each class must have a patient.

    Ranges: MCC −1…1; Brier (the sum over classes, not halved) 0…2; log-loss 0…∞; all others 0…1. ``auroc`` is the
    macro mean of one class against the rest (Hanley and McNeil), ``auroc_ovo`` of one against one (Hand and Till).

    Args:
        truth: (N,) index into ``tables.CLASSES``.
        probabilities: (N, 3), rows sum to 1.
    """
    predicted = probabilities.argmax(axis=1)
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        sensitivity = sk.recall_score(truth, predicted, labels=LABELS, average=None, zero_division=0)
        true_negative, false_positive = sk.multilabel_confusion_matrix(truth, predicted, labels=LABELS)[:, 0].T
        specificity = true_negative / (true_negative + false_positive)
        return {
            "mcc": float(sk.matthews_corrcoef(truth, predicted)),
            "balanced_accuracy": float(sk.balanced_accuracy_score(truth, predicted)),
            "auroc": float(sk.roc_auc_score(truth, probabilities, labels=LABELS, multi_class="ovr")),
            "auroc_ovo": float(sk.roc_auc_score(truth, probabilities, labels=LABELS, multi_class="ovo")),
            "f1": float(sk.f1_score(truth, predicted, labels=LABELS, average="macro", zero_division=0)),
            **dict(zip(BY_CLASS, map(float, [*sensitivity, *specificity]))),
            "brier": float(sk.brier_score_loss(truth, probabilities, labels=LABELS)),
            "log_loss": float(sk.log_loss(truth, probabilities, labels=LABELS)),
            "ece": calibration_error(truth, probabilities),
        }


def resampled(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray[np.float32]
) -> dict[str, NDArray]:
    """Return every metric in each of B resamples (B,); every class must have a patient in each.

    Args:
        truth: (N,).
        probabilities: (N, 3).
        weights: (N, B), how often each patient stands in each resample.
    """
    cells = _cells(truth, probabilities.argmax(axis=1))
    losses, gaps = _losses(truth, probabilities), _gaps(truth, probabilities)
    summed = weights.T @ np.concatenate([cells, losses, gaps], axis=1).astype(np.float32)  # one product for all
    counts = summed[:, : cells.shape[1]].reshape(-1, len(CLASSES), len(CLASSES)).astype(np.float64)
    total, hits = counts.sum(axis=(1, 2)), np.diagonal(counts, axis1=1, axis2=2)
    true, named = counts.sum(axis=2), counts.sum(axis=1)
    sensitivity, specificity = hits / true, 1 - (named - hits) / (total[:, None] - true)
    brier, log_loss = summed[:, cells.shape[1] :][:, :2].T / total
    error = np.abs(summed[:, -BINS:]).sum(axis=1) / total
    rest, pairs = _areas(truth, probabilities, weights)
    return {
        "mcc": mcc(counts),
        "balanced_accuracy": sensitivity.mean(axis=1),
        "auroc": rest,
        "auroc_ovo": pairs,
        "f1": (2 * hits / np.maximum(true + named, 1)).mean(axis=1),
        **dict(zip(BY_CLASS, [*sensitivity.T, *specificity.T])),
        "brier": brier,
        "log_loss": log_loss,
        # Resampling adds calibration error of its own, so that the replicates are centred on the value.
        "ece": np.maximum(error - error.mean() + calibration_error(truth, probabilities), 0),
    }


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


def _areas(
    truth: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray[np.float32]
) -> tuple[NDArray, NDArray]:
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
                ordered = (high > low) + np.float32(0.5) * (high == low)
                share = ((ordered @ theirs) * mine).sum(axis=0, dtype=np.float64)
                number = mine.sum(axis=0, dtype=np.float64) * theirs.sum(axis=0, dtype=np.float64)
                pairs.append(share / number)
                right, size = right + share, size + number
        rest.append(right / size)
    return np.mean(rest, axis=0), np.mean(pairs, axis=0)
