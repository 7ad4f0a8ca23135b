import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import matthews_corrcoef

from mmdino.errors import UserError
from mmdino.models.logistic import STRENGTHS, fit_sweep, holdout
from mmdino.models.multinomial import fit_multinomial


def blobs(patients: int, width: int = 12, seed: int = 0, spread: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(3, patients, p=[0.3, 0.45, 0.25])
    centres = rng.normal(size=(3, width)) * spread
    return (centres[labels] + rng.normal(size=(patients, width))).astype(np.float32), labels


def test_separates_classes_and_gives_probabilities():
    features, labels = blobs(500)
    fitted = fit_sweep(features[:300], labels[:300], seed=0)
    probabilities = fitted.predict_proba(features[300:])
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert matthews_corrcoef(labels[300:], probabilities.argmax(axis=1)) > 0.8


@pytest.mark.parametrize(("patients", "rounds"), [(160, 4), (600, 2), (1100, 1)])
def test_chooses_the_strength_that_cold_fits_choose(patients, rounds):
    features, labels = blobs(patients, spread=0.4)
    fitted = fit_sweep(features, labels, seed=3, standardise=False)
    cold = np.mean([cold_scores(features, labels, holdout(labels, 3, turn)) for turn in range(rounds)], axis=0)
    np.testing.assert_allclose(fitted.scores, cold, atol=0.02)
    assert np.isclose(fitted.C, STRENGTHS[int(np.argmax(cold))], rtol=1e-12)
    refitted = LogisticRegression(C=fitted.C, tol=1e-10, max_iter=10000).fit(features, labels)
    agree = fitted.predict_proba(features).argmax(axis=1) == refitted.predict(features)
    assert agree.mean() >= 0.995


def cold_scores(features: np.ndarray, labels: np.ndarray, held: np.ndarray) -> list[float]:
    """Return the hold-out's MCC by strength, each fitted from nothing."""
    model = LogisticRegression(tol=1e-8, max_iter=10000)
    scores = []
    for strength in STRENGTHS:
        model.set_params(C=strength).fit(features[~held], labels[~held])
        scores.append(matthews_corrcoef(labels[held], model.predict(features[held])))
    return scores


def test_holdout_is_a_stratified_tenth():
    labels = np.repeat([0, 1, 2], [60, 200, 40])
    held = holdout(labels, 1)
    assert np.bincount(labels[held]).tolist() == [6, 20, 4]
    assert not np.array_equal(held, holdout(labels, 2))


def test_same_seed_gives_identical_bits():
    features, labels = blobs(80)
    first, second = (fit_sweep(features, labels, seed=5).predict_proba(features) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_nine_patients_get_a_fixed_strength_and_say_so():
    features, _ = blobs(9)
    fitted = fit_sweep(features, np.array([0, 1, 2] * 3), seed=0)
    assert fitted.C == 1
    assert fitted.scores is None
    assert "9 training patients" in fitted.note


def test_a_class_too_small_for_the_hold_out_is_said():
    features, labels = blobs(120)
    few = (labels != 2) | (np.cumsum(labels == 2) <= 5)
    fitted = fit_sweep(features[few], labels[few], seed=0)
    assert fitted.note == "C chosen by the other classes: 5 training patients of class 2 are too few for a hold-out"
    assert fitted.scores is not None
    assert fit_sweep(features, labels, seed=0).note == ""


def test_a_class_never_seen_has_probability_zero():
    features, labels = blobs(100)
    kept = labels != 1
    probabilities = fit_sweep(features[kept], labels[kept], seed=0).predict_proba(features)
    assert probabilities.shape == (100, 3)
    assert (probabilities[:, 1] == 0).all()
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_a_single_class_is_always_predicted():
    fitted = fit_sweep(np.ones((5, 3)), np.full(5, 2), seed=0)
    assert fitted.predict_proba(np.zeros((2, 3))).tolist() == [[0, 0, 1], [0, 0, 1]]


def test_constant_features_change_nothing():
    features, labels = blobs(100)
    padded = np.c_[features, np.full((100, 2), 7.0)]
    same = fit_sweep(padded, labels, seed=0).predict_proba(padded)
    assert np.allclose(same, fit_sweep(features, labels, seed=0).predict_proba(features), atol=1e-6)


def test_standardising_makes_units_irrelevant():
    features, labels = blobs(100)
    units = np.logspace(-4, 4, features.shape[1])
    first = fit_sweep(features.astype(float), labels, seed=0).predict_proba(features.astype(float))
    second = fit_sweep(features * units, labels, seed=0).predict_proba(features * units)
    assert np.allclose(first, second, atol=1e-6)


def test_nan_features_are_named():
    features, labels = blobs(20)
    features[3, 2] = np.nan
    with pytest.raises(UserError, match="1 of 20 training patients are NaN"):
        fit_sweep(features, labels, seed=0)


def test_no_patient_is_refused():
    with pytest.raises(UserError, match="no labelled training patient"):
        fit_sweep(np.zeros((0, 3)), np.zeros(0, dtype=int), seed=0)


@settings(deadline=None, max_examples=25)
@given(patients=st.integers(1, 40), width=st.integers(1, 6), classes=st.integers(1, 3), seed=st.integers(0, 99))
def test_any_small_cohort_gives_finite_probabilities(patients, width, classes, seed):
    rng = np.random.default_rng(seed)
    features, labels = rng.normal(size=(patients, width)), rng.integers(0, classes, patients)
    probabilities = fit_sweep(features, labels, seed=seed).predict_proba(features)
    assert np.isfinite(probabilities).all()
    assert np.allclose(probabilities.sum(axis=1), 1)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("strength", [1e-4, 0.03, 10.0])
def test_one_strength_is_scikit_learns(classes, strength):
    features, labels = blobs(120)
    features, labels = features[labels < classes].astype(float), labels[labels < classes]
    ours = fit_multinomial(features, labels, strength, tolerance=1e-9).predict_proba(features)
    theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=10000).fit(features, labels).predict_proba(features)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
