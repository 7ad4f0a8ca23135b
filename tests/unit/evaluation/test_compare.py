from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mmdino.evaluation.compare import arm_mcc, arm_metrics, holm, paired_difference, unpaired_difference
from mmdino.evaluation.evaluate import measure_all
from mmdino.evaluation.metrics import METRICS, confusion, mcc
from mmdino.evaluation.predictions import Answers, group, select
from mmdino.evaluation.subsets import SUBSETS
from results_factory import predictions


def arm(skill: float, seeds: int = 2, first: int = 0, **options) -> list:
    frames = [
        predictions(skill, seed=first + seed, subsets=SUBSETS[:1], readouts=("cls",), **options)
        for seed in range(seeds)
    ]
    return [[select(group(frame), "test", "cls")] for frame in frames]


def test_one_seed_equals_metrics_json():
    frame = predictions(subsets=SUBSETS[:1], readouts=("cls",))
    row = next(r for r in measure_all(frame, 300)["metrics"] if r["split"] == "test" and r["protocol"] == "transfer")
    runs = [[select(group(frame), "test", "cls")]]
    estimates = arm_metrics(runs, 300)
    assert set(estimates) == set(METRICS)
    for name, estimate in estimates.items():
        assert [estimate.value, estimate.low, estimate.high] == pytest.approx(list(row[name].values()), abs=1e-12)
        assert estimate.deviation is None
        assert estimate.total_low is None
    alone = arm_mcc(runs, 300)
    assert (alone.value, alone.low) == pytest.approx((estimates["mcc"].value, estimates["mcc"].low), abs=1e-6)


def test_several_seeds_give_mean_and_deviation():
    runs = arm(0.6, seeds=3)
    single = [arm_mcc([run], 100).value for run in runs]
    estimate = arm_mcc(runs, 100)
    assert estimate.value == pytest.approx(sum(single) / 3)
    assert estimate.deviation == pytest.approx(np.std(single, ddof=1))
    assert estimate.seed_error == pytest.approx(estimate.deviation / np.sqrt(3))
    assert estimate.runs == 3


def test_a_claim_about_the_method_faces_both_variances():
    estimate = arm_mcc(arm(0.6, seeds=3), 500)
    half = (estimate.total_high - estimate.total_low) / 2
    error = np.hypot(estimate.patient_error, estimate.seed_error)
    assert half > 1.96 * error  # Student's t of few seeds is wider than the normal
    assert estimate.total_low < estimate.low
    assert estimate.total_high > estimate.high


def test_equal_seeds_add_nothing():
    run = arm(0.6, seeds=1)[0]
    estimate = arm_mcc([run, run], 500)
    assert estimate.seed_error == 0
    assert estimate.total_high - estimate.total_low == pytest.approx(2 * 1.96 * estimate.patient_error, rel=1e-3)


def test_a_run_of_several_cases_counts_as_one_seed():
    (one,), (other,) = arm(0.6)
    estimate = arm_mcc([[one, other]], 100)
    assert estimate.runs == 1
    assert estimate.deviation is None
    assert estimate.value == pytest.approx(arm_mcc([[one], [other]], 100).value)


def test_difference_is_signed_and_clear_when_it_is():
    good, poor = arm(0.9), arm(0.3)
    forward, backward = paired_difference(good, poor, 500), paired_difference(poor, good, 500)
    assert forward.low > 0
    assert (forward.p, forward.p_bootstrap) == (1 / 5001, 2 / 501)  # the smallest that either test can give
    assert backward.value == -forward.value
    assert forward.not_inferior(0.05)
    assert not backward.not_inferior(0.05)


def test_an_arm_does_not_differ_from_itself():
    runs = arm(0.5)
    same = paired_difference(runs, runs, 200)
    assert (same.value, same.low, same.high, same.p, same.p_bootstrap) == (0, 0, 0, 1, 1)


def test_permutation_p_is_scipys():
    run, other = arm(0.6, seeds=1, test=40), arm(0.35, seeds=1, first=5, test=40)
    truth = run[0][0].truth

    def statistic(one, two):
        return mcc(confusion(truth, one, 3)) - mcc(confusion(truth, two, 3))

    given = (run[0][0].predicted, other[0][0].predicted)
    rng = np.random.default_rng(0)
    theirs = stats.permutation_test(given, statistic, permutation_type="samples", n_resamples=999, rng=rng).pvalue
    assert paired_difference(run, other, 4000).p == pytest.approx(theirs, abs=0.04)


def test_a_detectable_difference_shrinks_with_the_root_of_the_patients():
    small, large = (paired_difference(arm(0.6, test=n), arm(0.5, first=9, test=n), 500) for n in (100, 900))
    assert small.detectable / large.detectable == pytest.approx(3, rel=0.3)
    assert large.detectable == pytest.approx(2.80 * large.patient_error, rel=0.01)


def test_unequal_numbers_of_seeds_can_be_compared():
    gap = paired_difference(arm(0.8, seeds=3), arm(0.4, seeds=1), 300)
    assert gap.p < 0.01
    assert gap.runs == 1
    assert gap.total_low is None


def test_pairing_is_narrower_than_two_separate_intervals():
    run = arm(0.6, seeds=1)
    nearly = predictions(0.6, subsets=SUBSETS[:1], readouts=("cls",))
    nearly.loc[nearly.index % 20 == 0, ["p_astrocytoma", "p_glioblastoma", "p_oligodendroglioma"]] = [1.0, 0.0, 0.0]
    other = [[select(group(nearly), "test", "cls")]]
    paired, alone = paired_difference(run, other, 500), arm_mcc(run, 500)
    assert paired.high - paired.low < alone.high - alone.low


def test_only_shared_patients_are_compared():
    few, many = arm(0.6, seeds=1, test=100), arm(0.6, seeds=1, test=150)
    assert paired_difference(few, many, 100).n == 100


def test_an_arm_without_runs_has_no_figure():
    assert arm_mcc([], 100) is None
    assert arm_metrics([], 100) == {}
    assert paired_difference([], arm(0.5), 100) is None


def test_a_class_without_patients_leaves_mcc_alone():
    runs = arm(0.6, seeds=1)
    kept = runs[0][0].truth != 2
    fewer = [[Answers(a.subjects[kept], a.truth[kept], a.probabilities[kept]) for a in run] for run in runs]
    assert arm_metrics(fewer, 100) == {}
    assert arm_mcc(fewer, 100).value > 0


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_other_patients_add_their_own_chance():
    better, worse = arm(0.8), arm(0.5)
    paired, unpaired = (difference(better, worse, 500) for difference in (paired_difference, unpaired_difference))
    assert unpaired.value == pytest.approx(paired.value)
    alone = [arm_mcc(runs, 500).patient_error for runs in (better, worse)]
    assert unpaired.patient_error == pytest.approx(np.hypot(*alone), rel=0.15)
    turned = unpaired_difference(worse, better, 500)
    assert turned.value == pytest.approx(-unpaired.value)


def test_an_unpaired_interval_covers_the_truth_as_often_as_it_says():
    hits = []
    for trial in range(60):
        sides = [arm(0.6, seeds=1, first=100 + 2 * trial + side) for side in (0, 1)]
        gap = unpaired_difference(*sides, 200)
        hits.append(gap.low <= 0 <= gap.high)
    assert sum(hits) >= 51  # of 60, where the interval is to hold 57; below 51 by chance: 1 in 200


def seeded(runs: list, *seeds: int) -> list:
    """Return runs that say with which seeds they were made."""
    return [[replace(case, seed=seed) for case in run] for run, seed in zip(runs, seeds, strict=True)]


def test_what_two_arms_have_in_common_by_their_seeds_cancels_out():
    good, middling, bad = (arm(skill, seeds=1)[0] for skill in (0.8, 0.5, 0.2))
    one, same = seeded([good, middling, bad], 0, 1, 2), seeded([good, middling, bad], 0, 1, 2)
    gap = paired_difference(one, same, 300)
    assert (gap.value, gap.seed_error, gap.total_low, gap.total_high) == (0, 0, 0, 0)
    assert gap.not_inferior(0.01)


@pytest.mark.parametrize("seeds", [(0, 1, 3), (None, None, None)])
def test_other_seeds_have_nothing_in_common(seeds):
    ours, theirs = arm(0.8, seeds=3), arm(0.4, seeds=3, first=5)
    gap = paired_difference(seeded(ours, 0, 1, 2), seeded(theirs, *seeds), 300)
    apart = paired_difference(ours, theirs, 300)
    assert gap == apart
    assert gap.seed_error == pytest.approx(np.hypot(arm_mcc(ours, 300).seed_error, arm_mcc(theirs, 300).seed_error))


def test_seed_by_seed_the_error_is_that_of_the_differences():
    ours, theirs = seeded(arm(0.8, seeds=3), 0, 1, 2), seeded(arm(0.4, seeds=3, first=5), 0, 1, 2)
    gaps = [arm_mcc([a], 100).value - arm_mcc([b], 100).value for a, b in zip(ours, theirs)]
    found = paired_difference(ours, theirs, 300)
    assert found.seed_error == pytest.approx(np.std(gaps, ddof=1) / np.sqrt(3))
    assert found.deviation is None


def test_the_order_in_which_an_experiment_lists_its_seeds_changes_nothing():
    ours, theirs = seeded(arm(0.8, seeds=3), 0, 1, 2), seeded(arm(0.4, seeds=3, first=5), 0, 1, 2)
    assert paired_difference(ours, theirs[::-1], 300) == paired_difference(ours, theirs, 300)
