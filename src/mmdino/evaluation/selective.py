"""Selective prediction: how many errors remain if the least sure patients are left to a person."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdino.evaluation.bootstrap import interval, resample_once
from mmdino.evaluation.compare import Estimate, shared
from mmdino.evaluation.predictions import Answers

COVERAGES = tuple(np.linspace(0.05, 1.0, 20).round(2).tolist())


@dataclass(frozen=True)
class RiskCoverage:
    """Risk by coverage, means over runs, with 95 % intervals over patients.

    Attributes:
        risk: error rate among the most confident ``COVERAGES`` of the patients (20,); ``low`` and ``high`` likewise.
        aurc: area under the curve, the mean of the risks at coverage 1/N, 2/N, … 1 (Geifman and El-Yaniv 2017): less
            is better; an arm whose confidence says nothing has its error rate.
        best: the area that the same errors would have if they were the least confident answers.
    """

    risk: list[float]
    low: list[float]
    high: list[float]
    aurc: Estimate
    best: float


def risk_coverage(runs: Sequence[Answers], replicates: int) -> RiskCoverage:
    """Return the risk–coverage curve of an arm's runs, on the patients that all of them have.

    Confidence is the probability of the named class. Among equally confident patients the errors are spread evenly,
    so that the order of the patients has no say.
    """
    runs = [run[0] for run in shared([[run] for run in runs])]
    weights = np.hstack([np.ones((len(runs[0]), 1), np.float32), resample_once(runs[0].truth, replicates)])
    curves, areas = zip(*(_curves(run, weights) for run in runs))
    risk, area = np.mean(curves, axis=0), np.mean(areas, axis=0)
    low, high = zip(*(interval(risk[1:, column]) for column in range(len(COVERAGES))))
    error = float(area[1:].std(ddof=1))
    aurc = Estimate(float(area[0]), *interval(area[1:]), n=len(runs[0]), runs=len(runs), patient_error=error)
    return RiskCoverage(risk[0].tolist(), list(low), list(high), aurc, float(np.mean([_best(run) for run in runs])))


def _curves(run: Answers, weights: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the risk at each of ``COVERAGES`` (B, C) and the area (B,), for each column of ``weights`` (N, B)."""
    confidence = run.probabilities.max(axis=1)
    order = np.argsort(-confidence, kind="stable")
    starts = np.flatnonzero(np.diff(confidence[order], prepend=2.0))  # the first patient of each degree of confidence
    drawn, wrong = weights[order], (run.predicted != run.truth)[order, None]
    accepted, errors = (np.add.reduceat(counts, starts).T for counts in (drawn, drawn * wrong))  # (B, degrees)
    shares = errors.astype(np.float64) / np.maximum(accepted, 1)
    one_by_one = np.repeat(shares.ravel(), accepted.ravel().astype(int)).reshape(weights.shape[1], -1)
    summed = np.pad(one_by_one.cumsum(axis=1), ((0, 0), (1, 0)))  # errors among the first 0, 1, … N
    asked = np.multiply(COVERAGES, len(run))
    below = np.minimum(asked.astype(int), len(run) - 1)
    at_coverage = summed[:, below] + (asked - below) * one_by_one[:, below]
    return at_coverage / asked, (summed[:, 1:] / np.arange(1, len(run) + 1)).mean(axis=1)


def _best(run: Answers) -> float:
    """Return the area of an arm that is less sure of each of its errors than of any right answer."""
    right = int((run.predicted == run.truth).sum())
    accepted = np.arange(1, len(run) + 1)
    return float((np.maximum(accepted - right, 0) / accepted).mean())
