"""The strength that the warm-started sweep chooses against scikit-learn's fits from cold."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from mmdino.models.logistic import STRENGTHS, sweep
from mmdino.models.scores import confusion, mcc

from .fixtures import each


@each("logreg_*.npz")
def test_the_sweep_chooses_what_cold_fits_choose(path):
    data = np.load(path)
    X, y, Xv, yv = (data[name] for name in ("X", "y", "Xv", "yv"))
    classes = 1 + int(max(y.max(), yv.max()))
    held = np.repeat([False, True], [len(X), len(Xv)])
    _, scores = sweep(np.concatenate([X, Xv]), np.concatenate([y, yv]), held, classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fits = [LogisticRegression(C=C, tol=1e-12, max_iter=1000).fit(X, y) for C in STRENGTHS]
    cold = mcc(np.array([confusion(yv, fit.predict(Xv), classes) for fit in fits]))
    assert STRENGTHS[scores.argmax()] == STRENGTHS[cold.argmax()]
