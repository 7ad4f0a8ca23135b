import pytest

from mmdino.evaluation.compare import arm_mcc, paired_difference
from mmdino.evaluation.evaluate import measure_all
from mmdino.evaluation.predictions import group, select
from mmdino.evaluation.subsets import SUBSETS
from results_factory import predictions


def arm(skill: float, seeds: int = 2, **options) -> list:
    frames = [predictions(skill, seed=seed, subsets=SUBSETS[:1], readouts=("cls",), **options) for seed in range(seeds)]
    return [select(group(frame), "test", "cls") for frame in frames]


def test_one_seed_equals_metrics_json():
    frame = predictions(subsets=SUBSETS[:1], readouts=("cls",))
    row = next(r for r in measure_all(frame, 300)["metrics"] if r["split"] == "test" and r["protocol"] == "transfer")
    estimate = arm_mcc([select(group(frame), "test", "cls")], 300)
    assert (estimate.value, estimate.low, estimate.high) == tuple(row["mcc"].values())
    assert estimate.deviation is None


def test_several_seeds_give_mean_and_deviation():
    runs = arm(0.6, seeds=3)
    single = [arm_mcc([run], 100).value for run in runs]
    estimate = arm_mcc(runs, 100)
    assert estimate.value == pytest.approx(sum(single) / 3)
    assert estimate.deviation > 0
    assert estimate.runs == 3


def test_difference_is_signed_and_clear_when_it_is():
    good, poor = arm(0.9), arm(0.3)
    forward, backward = paired_difference(good, poor, 500), paired_difference(poor, good, 500)
    assert forward.low > 0
    assert forward.p < 0.01
    assert backward.value == -forward.value


def test_an_arm_does_not_differ_from_itself():
    runs = arm(0.5)
    same = paired_difference(runs, runs, 200)
    assert (same.value, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_pairing_is_narrower_than_two_separate_intervals():
    run = arm(0.6, seeds=1)
    nearly = predictions(0.6, subsets=SUBSETS[:1], readouts=("cls",))
    nearly.loc[nearly.index % 20 == 0, ["p_astrocytoma", "p_glioblastoma", "p_oligodendroglioma"]] = [1.0, 0.0, 0.0]
    other = [select(group(nearly), "test", "cls")]
    paired, alone = paired_difference(run, other, 500), arm_mcc(run, 500)
    assert paired.high - paired.low < alone.high - alone.low


def test_only_shared_patients_are_compared():
    few, many = arm(0.6, seeds=1, test=100), arm(0.6, seeds=1, test=150)
    assert paired_difference(few, many, 100).n == 100


def test_an_arm_without_runs_has_no_figure():
    assert arm_mcc([], 100) is None
    assert paired_difference([], arm(0.5), 100) is None
