"""L2 multinomial logistic regression at one strength: scikit-learn's objective and solver, without its overhead.

A sweep over 45 strengths solves thousands of small problems from warm starts, where scikit-learn spends most of its time
on checking its input (docs/benchmarks.md). The minimum is that of ``LogisticRegression(C=…)``; tests compare the two.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

TOLERANCE = 1e-4  # of the gradient; with warm starts: the same best C as 1e-12 from cold (docs/benchmarks.md)
STEPS = 1000


@dataclass(frozen=True)
class Multinomial:
    """Weights (K, D + 1) of the K classes present, sorted; the last column is the intercept."""

    weights: NDArray[np.float64]

    def predict_proba(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (N, K) probabilities of features (N, D)."""
        return softmax(_scores(features, self.weights), axis=1)


def fit_multinomial(
    features: NDArray[np.float64],
    labels: NDArray,
    strength: float,
    start: Multinomial | None = None,
    tolerance: float = TOLERANCE,
) -> Multinomial:
    """Minimise mean cross-entropy + ‖W‖² / (2 · C · N), the intercepts free, by L-BFGS.

    Args:
        features: (N, D).
        labels: (N,) of two classes or more.
        strength: C, the inverse of the regularisation.
        start: weights to start from; None: zeros.
        tolerance: largest component of the gradient at which to stop.
    """
    names, index = np.unique(labels, return_inverse=True)
    shape = (len(names), features.shape[1] + 1)
    truth = np.eye(len(names))[index]
    # scikit-learn gives two classes one weight vector, whose norm is penalised once; two opposite halves have half of it
    penalty = (2 if len(names) == 2 else 1) / (strength * len(labels))

    def objective(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        weights = flat.reshape(shape)
        log_probabilities = log_softmax(_scores(features, weights), axis=1)
        errors = (np.exp(log_probabilities) - truth) / len(labels)
        gradient = np.empty(shape)
        gradient[:, :-1] = errors.T @ features + penalty * weights[:, :-1]
        gradient[:, -1] = errors.sum(axis=0)
        squares = (weights[:, :-1] ** 2).sum()
        return -(log_probabilities * truth).sum() / len(labels) + penalty / 2 * squares, gradient.ravel()

    begin = np.zeros(shape) if start is None else start.weights
    options = {"gtol": tolerance, "ftol": 64 * np.finfo(float).eps, "maxiter": STEPS, "maxls": 50}
    found = minimize(objective, begin.ravel(), method="L-BFGS-B", jac=True, options=options)
    return Multinomial(found.x.reshape(shape))


def _scores(features: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return features @ weights[:, :-1].T + weights[:, -1]
