"""P4: the regression's sweep over 45 strengths at the paper's size, beside scikit-learn's cold fits."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from goals import times_faster
from mmdino.models.logistic import STRENGTHS, fit_sweep, holdout

SIZE, SMALL = (1162, 768), (300, 64)


def test_p4_the_sweep(beside, quick):
    features, labels = problem(*(SMALL if quick else SIZE))

    def cold() -> None:
        held = holdout(labels, 0)
        model = LogisticRegression(tol=1e-12, max_iter=10_000)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for strength in STRENGTHS:
                model.set_params(C=strength).fit(features[~held], labels[~held]).predict(features[held])

    beside(
        *("P4", f"45-C regression, {features.shape[0]} × {features.shape[1]}", "scikit-learn, cold, tol 1e-12"),
        lambda: fit_sweep(features, labels, 0, standardise=False),
        cold,
        times_faster(8, guard=2),
        rounds=3,
    )


def problem(patients: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return features with the decaying spectrum that a network's have, and classes that they tell half of."""
    rng = np.random.default_rng(0)
    labels = rng.choice(3, patients, p=[0.3, 0.45, 0.25])
    spectrum = np.arange(1, width + 1) ** -0.7
    mixed = (rng.normal(size=(patients, width)) + rng.normal(size=(3, width))[labels] * 0.35) * spectrum
    return mixed @ np.linalg.qr(rng.normal(size=(width, width)))[0], labels
