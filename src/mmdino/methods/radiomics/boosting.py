"""Gradient-boosted trees that know missing features: each patient also comes with some sequences hidden."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from mmdino.methods.common.draws import stream
from mmdino.tables import CLASSES

# Chosen on the phantom's validation patients and by leaving out a site each (docs/results-phantom.md)
TREES = {
    "max_iter": 200,
    "learning_rate": 0.05,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 20,
    "max_features": 0.3,
    "l2_regularization": 1.0,
    "early_stopping": False,
}


class Boosting:
    """Trees fitted on labelled patients.

    Args:
        features: (N, D), NaN where a patient lacks what a feature needs.
        labels: (N,) in 0…2.
        needs: (D, 4) bool, the sequences that each feature needs.
        copies: of each patient, in which each sequence is hidden with probability ½, one staying.
        seed: of the copies and the trees.
    """

    def __init__(self, features: NDArray, labels: NDArray, needs: NDArray[np.bool_], copies: int, seed: int):
        shown = [np.ones((len(features), needs.shape[1]), bool)]
        shown += [_some(stream(seed, "hidden-copies", number), shown[0].shape) for number in range(copies)]
        seen = np.concatenate([hide(features, needs, each) for each in shown])
        model = HistGradientBoostingClassifier(**TREES, random_state=seed)
        self._classes = np.unique(labels)
        # one class alone leaves nothing to grow trees from
        self._model = model.fit(seen, np.tile(labels, len(shown))) if len(self._classes) > 1 else None

    def predict_proba(self, features: NDArray) -> NDArray[np.float64]:
        """Return class probabilities (N, 3) of features (N, D), NaN where unknown."""
        probabilities = np.zeros((len(features), len(CLASSES)))
        probabilities[:, self._classes] = 1.0 if self._model is None else self._model.predict_proba(features)
        return probabilities


def hide(features: NDArray, needs: NDArray[np.bool_], shown: NDArray[np.bool_]) -> NDArray:
    """Return features (N, D) with NaN where a sequence is needed that is not shown (N, 4)."""
    return np.where((needs[None] & ~shown[:, None]).any(axis=2), np.nan, features)


def _some(rng: np.random.Generator, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return (N, 4) bool, true with probability ½, and true once in a row at least."""
    shown = rng.random(size) < 0.5
    always = rng.integers(size[1], size=size[0])
    empty = ~shown.any(axis=1)
    shown[empty, always[empty]] = True
    return shown
