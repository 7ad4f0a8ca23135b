import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from mmdino.evaluation.bootstrap import resample
from mmdino.evaluation.metrics import BY_CLASS, METRICS, calibration_error, confusion, mcc, points, resampled


def draw(seed: int, patients: int, tied: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.r_[0, 1, 2, rng.integers(0, 3, patients)]
    odds = rng.integers(1, 4, (len(truth), 3)).astype(float) if tied else rng.random((len(truth), 3))
    return truth, odds / odds.sum(axis=1, keepdims=True)


def scikit_learns(truth: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    predicted, labels = probabilities.argmax(axis=1), [0, 1, 2]
    true_negative, false_positive = sk.multilabel_confusion_matrix(truth, predicted, labels=labels)[:, 0].T
    by_class = [*sk.recall_score(truth, predicted, labels=labels, average=None, zero_division=0)]
    by_class += [*(true_negative / (true_negative + false_positive))]
    return {
        "mcc": sk.matthews_corrcoef(truth, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, predicted),
        "auroc": sk.roc_auc_score(truth, probabilities, labels=labels, multi_class="ovr"),
        "auroc_ovo": sk.roc_auc_score(truth, probabilities, labels=labels, multi_class="ovo"),
        "f1": sk.f1_score(truth, predicted, labels=labels, average="macro", zero_division=0),
        **dict(zip(BY_CLASS, by_class)),
        "brier": sk.brier_score_loss(truth, probabilities, labels=labels),
        "log_loss": sk.log_loss(truth, probabilities, labels=labels),
    }


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), patients=st.integers(0, 60), tied=st.booleans())
def test_every_metric_is_scikit_learns(seed, patients, tied):
    truth, probabilities = draw(seed, patients, tied)
    found, there = points(truth, probabilities), scikit_learns(truth, probabilities)
    assert tuple(found) == METRICS
    assert {name: found[name] for name in there} == pytest.approx(there, abs=1e-12)
    assert found["ece"] == pytest.approx(calibration_error(truth, probabilities), abs=1e-15)
    assert points(truth, probabilities, ("brier", "mcc")) == {name: found[name] for name in ("brier", "mcc")}


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6), patients=st.integers(0, 60), tied=st.booleans())
def test_replicates_are_the_values_of_the_repeated_patients(seed, patients, tied):
    truth, probabilities = draw(seed, patients, tied)
    weights = resample(truth, 3, seed)
    drawn = resampled(truth, probabilities, weights)
    for column in range(3):
        rows = np.repeat(np.arange(len(truth)), weights[:, column].astype(int))
        there = points(truth[rows], probabilities[rows])
        for name in set(METRICS) - {"ece"}:
            assert drawn[name][column] == pytest.approx(there[name], abs=1e-5), name


@given(seed=st.integers(0, 10**6), patients=st.integers(0, 60))
def test_vectorised_mcc_agrees_with_scikit_learn(seed, patients):
    truth, probabilities = draw(seed, patients, tied=True)
    predicted = probabilities.argmax(axis=1)
    counts = confusion(truth, predicted, 3)
    assert counts.tolist() == sk.confusion_matrix(truth, predicted, labels=[0, 1, 2]).tolist()
    assert mcc(counts) == pytest.approx(sk.matthews_corrcoef(truth, predicted), abs=1e-9)


def test_sensitivity_and_specificity_are_those_of_each_class():
    truth = np.repeat([0, 1, 2], [4, 3, 3])
    predicted = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    found = points(truth, np.eye(3)[predicted])
    assert [found[f"sensitivity_{name}"] for name in ("astrocytoma", "glioblastoma")] == [3 / 4, 2 / 3]
    assert [found[f"specificity_{name}"] for name in ("glioblastoma", "oligodendroglioma")] == [6 / 7, 6 / 7]


def test_calibration_error_is_the_gap_between_confidence_and_accuracy():
    truth = np.array([0, 0, 1, 2])
    sure = np.array([[0.9, 0.05, 0.05]] * 4)
    assert calibration_error(truth, sure) == pytest.approx(0.9 - 0.5)
    assert calibration_error(truth, np.eye(3)[truth]) == 0


def test_the_bootstraps_own_calibration_error_is_taken_off():
    truth, probabilities = draw(3, 200, tied=False)
    weights = resample(truth, 500)
    drawn = resampled(truth, probabilities, weights)["ece"]
    assert drawn.mean() == pytest.approx(calibration_error(truth, probabilities), abs=1e-6)


def test_mcc_is_vectorised_over_leading_axes():
    stack = np.random.default_rng(0).integers(1, 9, (4, 2, 3, 3))
    alone = np.array([[mcc(counts) for counts in row] for row in stack])
    np.testing.assert_allclose(mcc(stack), alone, atol=1e-12)


def test_one_class_predicted_gives_mcc_zero():
    assert mcc(np.array([[5, 0, 0], [7, 0, 0], [2, 0, 0]])) == 0
