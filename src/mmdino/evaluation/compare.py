"""An arm's figures over its seeds, and the paired difference of two arms on the same patients.

An arm is given as its runs (one a seed); a run as its cases: the answers over which its MCC is averaged, usually one,
or for instance one for each missing sequence. Two kinds of chance are kept apart: which patients were tested (the
bootstrap; what is said about these trained networks) and which seeds were drawn (their spread); a claim about the
method faces the sum of both. A seed also draws what two arms have in common, such as the hold-out on which the regression
chooses C, so arms of the same seeds are compared seed by seed.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests

from mmdino.evaluation.bootstrap import (
    LEVEL,
    exchanges,
    interval,
    permutation_p,
    resample,
    resample_once,
    two_sided_p,
)
from mmdino.evaluation.metrics import BOUNDS, METRICS, confusion, mcc, points, resampled
from mmdino.evaluation.predictions import Answers
from mmdino.tables import CLASSES

POWER = 0.8
DETECTABLE = float(stats.norm.ppf((1 + LEVEL) / 2) + stats.norm.ppf(POWER))  # standard errors
PERMUTATIONS = 10  # for each resample: of 20,000 the smallest p, corrected for a hundred comparisons, is .005
Run = Sequence[Answers]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds.

    Attributes:
        value: the mean.
        low: lower end of its 95 % interval over patients (resampled; the seeds are kept).
        high: upper end.
        n: patients.
        runs: seeds.
        patient_error: standard error over patients.
        deviation: standard deviation between seeds; None for a single seed and for differences.
        seed_error: standard error over seeds; None where a single seed tells nothing of it.
        total_low: lower end of the 95 % interval over patients and seeds (the sum of both variances; Student's t with
            Satterthwaite's degrees of freedom); None as above.
        total_high: upper end.
    """

    value: float
    low: float
    high: float
    n: int
    runs: int
    patient_error: float = math.nan
    deviation: float | None = None
    seed_error: float | None = None
    total_low: float | None = None
    total_high: float | None = None


@dataclass(frozen=True)
class Difference(Estimate):
    """An arm's MCC minus another's, on the same patients.

    Attributes:
        p: two-sided, by permutation: each patient's answers of the two arms are exchanged or not.
        p_bootstrap: two-sided, by the paired bootstrap.
        p_holm: ``p`` corrected by Holm's method for the other differences of the same table; None outside of a table.
        detectable: the smallest true difference that a test on as many patients finds four times in five.
    """

    p: float = math.nan
    p_bootstrap: float = math.nan
    p_holm: float | None = None
    detectable: float = math.nan

    def not_inferior(self, margin: float) -> bool:
        """Return whether the arm is worse by less than ``margin``: the lower end of its interval lies above −margin.

        The interval is that over patients and seeds, where there are several seeds, else over patients.
        """
        return (self.low if self.total_low is None else self.total_low) > -margin


Kind = TypeVar("Kind", bound=Estimate)


def arm_mcc(runs: Sequence[Run], replicates: int) -> Estimate | None:
    """Return an arm's MCC over its seeds; None where fewer than two classes have a patient."""
    runs = shared(runs)
    if not runs or len(np.unique(runs[0][0].truth)) < 2:
        return None
    values = _points(runs)
    weights = resample_once(runs[0][0].truth, replicates)
    return _estimate(Estimate, values.mean(), _replicates(runs, weights), runs, [values], BOUNDS["mcc"])


def arm_metrics(runs: Sequence[Run], replicates: int, names: Sequence[str] = METRICS) -> dict[str, Estimate]:
    """Return an arm's metrics over its seeds, of runs with one case; empty where a class has no patient."""
    runs = shared(runs)
    if not runs or len(np.unique(runs[0][0].truth)) < len(CLASSES):
        return {}
    answers = [run[0] for run in runs]
    weights = resample_once(answers[0].truth, replicates)
    values = [points(one.truth, one.probabilities, names) for one in answers]
    drawn = [resampled(one.truth, one.probabilities, weights, names) for one in answers]
    found = {}
    for name in names:
        each = np.array([value[name] for value in values])
        replicates_of = np.mean([one[name] for one in drawn], axis=0)
        found[name] = _estimate(Estimate, each.mean(), replicates_of, runs, [each], BOUNDS[name])
    return found


def paired_difference(runs: Sequence[Run], others: Sequence[Run], replicates: int) -> Difference | None:
    """Return MCC of ``runs`` minus MCC of ``others``, each a mean over its runs, on the patients that all share.

    Both sides are evaluated on the same resampled patients, so what they have in common cancels out. So does what their
    seeds have in common, where both have the same: the variance over seeds is then that of the seed-wise differences.
    """
    if not runs or not others:
        return None
    runs, others = _by_seed(runs), _by_seed(others)
    common = shared([*runs, *others])
    truth = common[0][0].truth
    if len(np.unique(truth)) < 2:
        return None
    ours, theirs = common[: len(runs)], common[len(runs) :]
    weights = resample_once(truth, replicates)
    drawn = _replicates(ours, weights) - _replicates(theirs, weights)
    mine, other = _points(ours), _points(theirs)
    value = float(mine.mean() - other.mean())
    error = float(drawn.std(ddof=1))
    return _estimate(
        Difference,
        value,
        drawn,
        ours if len(ours) < len(theirs) else theirs,
        [mine - other] if _same_seeds(ours, theirs) else [mine, other],
        (-2.0, 2.0),
        p=permutation_p(value, _permuted(ours, theirs, PERMUTATIONS * replicates)),
        p_bootstrap=two_sided_p(drawn),
        detectable=DETECTABLE * error,
    )


def unpaired_difference(runs: Sequence[Run], others: Sequence[Run], replicates: int) -> Difference | None:
    """Return MCC of ``runs`` minus MCC of ``others``, each on patients of its own.

    Both sides are resampled by themselves, so the interval holds the chance of both; p is the bootstrap's.
    """
    ours, theirs = shared(runs), shared(others)
    if not ours or not theirs or any(len(np.unique(side[0][0].truth)) < 2 for side in (ours, theirs)):
        return None
    drawn = [
        _replicates(side, resample(side[0][0].truth, replicates, seed)) for seed, side in enumerate((ours, theirs))
    ]
    gaps = drawn[0] - drawn[1]
    p = two_sided_p(gaps)
    return _estimate(
        Difference,
        float(_points(ours).mean() - _points(theirs).mean()),
        gaps,
        min(ours, theirs, key=lambda side: len(side[0][0])),
        [_points(ours), _points(theirs)],
        (-2.0, 2.0),
        p=p,
        p_bootstrap=p,
        detectable=DETECTABLE * float(gaps.std(ddof=1)),
    )


def holm(values: Iterable[float]) -> list[float]:
    """Return p-values corrected for their number by Holm's method."""
    given = list(values)
    return [float(p) for p in multipletests(given, method="holm")[1]] if given else []


def _estimate(
    kind: type[Kind],
    value: float,
    drawn: NDArray,
    runs: Sequence[Run],
    sides: list[NDArray],
    bounds: tuple[float, float],
    **more: float,
) -> Kind:
    """Return the estimate of the mean of one of ``sides`` (each: values by seed), or of the difference of two's means.

    Student's t of two or three seeds can reach beyond what a metric can be; it is cut at ``bounds``.
    """
    low, high = interval(drawn)
    error = float(drawn.std(ddof=1))
    fields: dict = {"n": len(runs[0][0]), "runs": len(runs), "patient_error": error, **more}
    if all(len(side) > 1 for side in sides):
        parts = [side.var(ddof=1) / len(side) for side in sides]
        total = math.sqrt(error**2 + sum(parts))
        freedom = sum(part**2 / (len(side) - 1) for part, side in zip(parts, sides))
        reach = total * float(stats.t.ppf((1 + LEVEL) / 2, total**4 / freedom if freedom else math.inf))
        ends = np.clip([value - reach, value + reach], *bounds).tolist()
        fields |= {"seed_error": math.sqrt(sum(parts)), "total_low": ends[0], "total_high": ends[1]}
        if kind is Estimate:
            fields["deviation"] = float(sides[0].std(ddof=1))
    return kind(value=float(value), low=low, high=high, **fields)


def _by_seed(runs: Sequence[Run]) -> list[Run]:
    """Return the runs in the order of their seeds, which an experiment may list in any; as they are where one has none."""
    seeds = [run[0].seed for run in runs if run[0].seed is not None]
    return [runs[number] for number in np.argsort(seeds, kind="stable")] if len(seeds) == len(runs) else list(runs)


def _same_seeds(ours: Sequence[Run], theirs: Sequence[Run]) -> bool:
    seeds = [[run[0].seed for run in side] for side in (ours, theirs)]
    return seeds[0] == seeds[1] and None not in seeds[0]


def _points(runs: Sequence[Run]) -> NDArray[np.float64]:
    """Return each run's MCC, the mean over its cases."""
    return np.array([np.mean([mcc(confusion(a.truth, a.predicted, len(CLASSES))) for a in run]) for run in runs])


def _replicates(runs: Sequence[Run], weights: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (B,) the mean MCC over the runs in each replicate."""
    cells = np.concatenate([_cells(case) for run in runs for case in run], axis=1)  # one product for all
    counts = (weights.T @ cells).reshape(weights.shape[1], -1, len(CLASSES), len(CLASSES))
    shares = np.concatenate([np.full(len(run), 1 / len(run) / len(runs)) for run in runs])
    return mcc(counts) @ shares


def _permuted(ours: Sequence[Run], theirs: Sequence[Run], permutations: int) -> NDArray[np.float64]:
    """Return (B,) the difference of mean MCC with the two arms' answers exchanged for a random half of the patients.

    A patient's answers are exchanged in all seeds and cases at once. Seed stands against seed; the arm with fewer
    seeds is repeated until both have equally many.
    """
    rounds = math.lcm(len(ours), len(theirs))
    swapped = exchanges(len(ours[0][0]), permutations).T
    differences = []
    for turn in range(rounds):
        for mine, other in zip(ours[turn % len(ours)], theirs[turn % len(theirs)]):
            own, their = _cells(mine), _cells(other)
            moved = swapped @ (their - own)
            gap = mcc((own.sum(axis=0) + moved).reshape(-1, len(CLASSES), len(CLASSES)))
            differences.append(gap - mcc((their.sum(axis=0) - moved).reshape(-1, len(CLASSES), len(CLASSES))))
    return np.mean(differences, axis=0)


def _cells(answers: Answers) -> NDArray[np.float32]:
    """Return (N, 9), 1 in each patient's cell of the confusion matrix."""
    return np.eye(len(CLASSES) ** 2, dtype=np.float32)[answers.truth * len(CLASSES) + answers.predicted]


def shared(runs: Sequence[Run]) -> list[list[Answers]]:
    """Return the runs restricted to the patients that all of them have, in the same order."""
    everybody = list({id(case.subjects): case.subjects for run in runs for case in run}.values())
    if all(np.array_equal(everybody[0], subjects) for subjects in everybody[1:]):
        return [list(run) for run in runs]  # as nearly always; looking names up is half of a report's statistics
    common = reduce(np.intersect1d, everybody)
    return [[case.only(np.isin(case.subjects, common)) for case in run] for run in runs]
