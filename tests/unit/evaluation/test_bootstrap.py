import numpy as np
import pytest

from mmdino.evaluation.bootstrap import interval, resample, resampled_confusion, two_sided_p
from mmdino.evaluation.metrics import confusion, mcc

TRUTH = np.repeat([0, 1, 2], [30, 50, 20])


def test_each_class_keeps_its_number_of_patients():
    weights = resample(TRUTH, 200)
    for name, size in enumerate((30, 50, 20)):
        assert (weights[name == TRUTH].sum(axis=0) == size).all()


def test_same_seed_gives_the_same_resamples_and_another_seed_others():
    assert (resample(TRUTH, 50, seed=3) == resample(TRUTH, 50, seed=3)).all()
    assert (resample(TRUTH, 50, seed=3) != resample(TRUTH, 50, seed=4)).any()


def test_counts_are_those_of_the_repeated_patients():
    predicted = np.random.default_rng(0).integers(0, 3, len(TRUTH))
    weights = resample(TRUTH, 7)
    counts = resampled_confusion(TRUTH, predicted, weights, 3)
    for column in range(7):
        rows = np.repeat(np.arange(len(TRUTH)), weights[:, column].astype(int))
        assert counts[column].tolist() == confusion(TRUTH[rows], predicted[rows], 3).tolist()


def test_interval_covers_the_true_mcc_about_95_times_in_100():
    rng = np.random.default_rng(5)
    truth = np.repeat([0, 1, 2], [60, 90, 50])
    right = rng.random((150, len(truth))) < 0.75
    wrong = (truth + rng.integers(1, 3, right.shape)) % 3
    answers = np.where(right, truth, wrong)
    expected = np.array([[0.75, 0.125, 0.125], [0.125, 0.75, 0.125], [0.125, 0.125, 0.75]]) * [[60], [90], [50]]
    weights = resample(truth, 500)
    covered = 0
    for predicted in answers:
        low, high = interval(mcc(resampled_confusion(truth, predicted, weights, 3)))
        covered += low <= mcc(expected) <= high
    assert 0.90 <= covered / len(answers) <= 0.99


def test_p_is_small_for_a_clear_difference_and_one_for_none():
    assert two_sided_p(np.full(999, 0.3)) == pytest.approx(0.002)
    assert two_sided_p(np.zeros(999)) == 1
