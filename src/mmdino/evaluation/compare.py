"""An arm's figure over its seeds, and the paired difference of two arms on the same patients."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np
from numpy.typing import NDArray

from mmdino.evaluation.bootstrap import interval, resample, resampled_confusion, two_sided_p
from mmdino.evaluation.metrics import confusion, mcc
from mmdino.evaluation.predictions import Answers
from mmdino.tables import CLASSES


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval over patients.

    Attributes:
        value: mean over the seeds.
        low: lower end of the interval (patients resampled, seeds kept).
        high: upper end.
        deviation: standard deviation between seeds; None for a single seed.
        n: patients.
        runs: how many runs the mean is over.
        p: two-sided p against 0, for differences.
    """

    value: float
    low: float
    high: float
    deviation: float | None
    n: int
    runs: int
    p: float | None = None


def arm_mcc(runs: Sequence[Answers], replicates: int) -> Estimate | None:
    """Return an arm's MCC over its seeds; None where fewer than two classes have a patient."""
    runs = _shared(runs)
    if not runs or len(np.unique(runs[0].truth)) < 2:
        return None
    points, drawn = _points(runs), _replicates(runs, _weights(runs[0].truth.tobytes(), replicates))
    return _estimate(points, drawn, len(runs[0]))


def paired_difference(runs: Sequence[Answers], others: Sequence[Answers], replicates: int) -> Estimate | None:
    """Return MCC of ``runs`` minus MCC of ``others``, each a mean over its runs, on the patients that all share.

    The runs are an arm's seeds, or its seeds under several sets of sequences. Both sides are evaluated on the same
    resampled patients, so what they have in common cancels out.
    """
    if not runs or not others:
        return None
    shared = _shared([*runs, *others])
    if len(np.unique(shared[0].truth)) < 2:
        return None
    ours, theirs = shared[: len(runs)], shared[len(runs) :]
    weights = _weights(shared[0].truth.tobytes(), replicates)
    drawn = _replicates(ours, weights) - _replicates(theirs, weights)
    value = float(_points(ours).mean() - _points(theirs).mean())
    low, high = interval(drawn)
    return Estimate(value, low, high, None, len(shared[0]), min(len(ours), len(theirs)), two_sided_p(drawn))


@lru_cache(maxsize=4)
def _weights(truth: bytes, replicates: int) -> NDArray[np.float32]:
    """Return the resamples of these labels; a report asks for the same ones hundreds of times."""
    return resample(np.frombuffer(truth, np.int64), replicates)


def _estimate(points: NDArray, drawn: NDArray, patients: int) -> Estimate:
    low, high = interval(drawn)
    deviation = float(points.std(ddof=1)) if len(points) > 1 else None
    return Estimate(float(points.mean()), low, high, deviation, patients, len(points))


def _points(runs: Sequence[Answers]) -> NDArray[np.float64]:
    return np.array([float(mcc(confusion(run.truth, run.predicted, len(CLASSES)))) for run in runs])


def _replicates(runs: Sequence[Answers], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (B,) the mean MCC over the runs in each replicate."""
    each = [mcc(resampled_confusion(run.truth, run.predicted, weights, len(CLASSES))) for run in runs]
    return np.mean(each, axis=0)


def _shared(runs: Sequence[Answers]) -> list[Answers]:
    """Return the runs restricted to the patients that all of them have, in the same order."""
    if not runs:
        return []
    common = reduce(np.intersect1d, [run.subjects for run in runs])
    kept = []
    for run in runs:
        rows = np.isin(run.subjects, common)
        kept.append(Answers(run.subjects[rows], run.truth[rows], run.probabilities[rows]))
    return kept
