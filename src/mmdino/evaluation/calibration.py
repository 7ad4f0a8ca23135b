"""How far probabilities can be believed: reliability by confidence, and one temperature, fitted on validation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from statsmodels.stats.proportion import proportion_confint

from mmdino.evaluation.bootstrap import LEVEL
from mmdino.evaluation.predictions import Answers

BINS = 10
TEMPERATURES = (0.05, 20.0)  # between which the best is searched
LEAST = 1e-12  # a probability of 0 has no logarithm


@dataclass(frozen=True)
class Bin:
    """The answers whose confidence (probability of the named class) lies in ``low``…``high``.

    Attributes:
        low, high: the bin's bounds, in 0…1.
        n: patients, the mean over runs.
        confidence: mean confidence.
        accuracy: share that is right.
        accuracy_low, accuracy_high: its 95 % interval (Wilson 1927) for ``n`` patients.
    """

    low: float
    high: float
    n: float
    confidence: float
    accuracy: float
    accuracy_low: float
    accuracy_high: float


def reliability(runs: Sequence[Answers], bins: int = BINS) -> list[Bin]:
    """Return the reliability diagram of an arm's runs, bins of equal width that have a patient (Guo et al. 2017).

    Runs are pooled; as they answer for the same patients, the intervals count each patient once.
    """
    confidence = np.concatenate([run.probabilities.max(axis=1) for run in runs])
    right = np.concatenate([run.predicted == run.truth for run in runs])
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    counts, sums, hits = (np.bincount(place, values, bins) for values in (np.ones(len(place)), confidence, right))
    found = []
    for number in np.flatnonzero(counts):
        share, n = hits[number] / counts[number], counts[number] / len(runs)
        low, high = proportion_confint(share * n, n, alpha=1 - LEVEL, method="wilson")
        ends = min(low, share), max(high, share)  # rounding can put a share of 1 just above its interval
        values = (number / bins, (number + 1) / bins, n, sums[number] / counts[number], share, *ends)
        found.append(Bin(*map(float, values)))
    return found


def fit_temperature(answers: Answers) -> float:
    """Return the temperature in ``TEMPERATURES`` with the least log-loss on these (validation) patients.

    softmax(log p / T), the single-parameter scaling of Guo et al. 2017 (section 4.2): above 1 the answers were too
    sure, below 1 not sure enough. The named class stays the same, so that only calibration changes. The log-loss is
    convex in 1 / T, hence one minimum.
    """
    logits = _logits(answers.probabilities)
    rows = np.arange(len(answers))

    def loss(log_temperature: float) -> float:
        return -float(log_softmax(logits / np.exp(log_temperature), axis=1)[rows, answers.truth].mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(TEMPERATURES)), method="bounded", options={"xatol": 1e-6})
    return float(np.exp(found.x))


def scaled(answers: Answers, temperature: float) -> Answers:
    """Return the answers with probabilities softmax(log p / temperature)."""
    return replace(answers, probabilities=softmax(_logits(answers.probabilities) / temperature, axis=1))


def _logits(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.log(np.clip(probabilities, LEAST, None))
