import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from mmdino.evaluation.metrics import balanced_accuracy, confusion, macro_auroc, macro_f1, mcc


def draw(seed: int, patients: int, tied: bool) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = np.r_[0, 1, 2, rng.integers(0, 3, patients)]
    odds = rng.integers(1, 4, (len(truth), 3)).astype(float) if tied else rng.random((len(truth), 3))
    return truth, odds / odds.sum(axis=1, keepdims=True)


@given(seed=st.integers(0, 10**6), patients=st.integers(0, 60), tied=st.booleans())
def test_agree_with_scikit_learn(seed, patients, tied):
    truth, probabilities = draw(seed, patients, tied)
    predicted = probabilities.argmax(axis=1)
    counts = confusion(truth, predicted, 3)
    assert counts.tolist() == sk.confusion_matrix(truth, predicted, labels=[0, 1, 2]).tolist()
    assert mcc(counts) == pytest.approx(sk.matthews_corrcoef(truth, predicted), abs=1e-9)
    assert balanced_accuracy(counts) == pytest.approx(sk.balanced_accuracy_score(truth, predicted), abs=1e-9)
    labels = [0, 1, 2]
    assert macro_f1(counts) == pytest.approx(
        sk.f1_score(truth, predicted, labels=labels, average="macro", zero_division=0), abs=1e-9
    )
    area = sk.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro", labels=labels)
    assert macro_auroc(truth, probabilities) == pytest.approx(area, abs=1e-9)


def test_weighted_auroc_is_that_of_the_repeated_patients():
    truth, probabilities = draw(1, 40, tied=True)
    weights = np.random.default_rng(2).integers(0, 3, (len(truth), 5)).astype(np.float32)
    weights[:3] += 1
    found = macro_auroc(truth, probabilities, weights)
    for column, value in enumerate(found):
        rows = np.repeat(np.arange(len(truth)), weights[:, column].astype(int))
        assert value == pytest.approx(sk.roc_auc_score(truth[rows], probabilities[rows], multi_class="ovr"), abs=1e-9)


def test_metrics_are_vectorised_over_leading_axes():
    stack = np.random.default_rng(0).integers(1, 9, (4, 2, 3, 3))
    for function in (mcc, balanced_accuracy, macro_f1):
        alone = np.array([[function(counts) for counts in row] for row in stack])
        np.testing.assert_allclose(function(stack), alone, atol=1e-12)


def test_one_class_predicted_gives_mcc_zero():
    assert mcc(np.array([[5, 0, 0], [7, 0, 0], [2, 0, 0]])) == 0
