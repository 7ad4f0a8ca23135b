"""From watched tokens and features to what is shown: shares of attention, colours, a map, how well a site is read."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mmdino.evaluation.bootstrap import interval
from mmdino.insight.tokens import Watched

FOLDS = 5
FEWEST = 10  # patients of a site, below which it is left out
SHUFFLES = 5
REPLICATES = 1000
FITTED = 20_000  # patch tokens by which the colours are chosen
NEIGHBOURS = 30  # perplexity of the map


def attention_shares(watched: Watched, sequences: list[str], split: str) -> list[dict[str, Any]]:
    """Return the share of CLS's attention to patches that falls on each sequence, by block, with 95 % intervals.

    Every sequence has as many patches, so that even attention is 1 / S.
    """
    by_sequence = watched.attention.sum(axis=(3, 4))
    shares = by_sequence / by_sequence.sum(axis=2, keepdims=True)
    return [
        {"split": split, "block": block + 1, "sequence": name, **_mean(shares[:, block, place])}
        for block in range(shares.shape[1])
        for place, name in enumerate(sequences)
    ]


def tumour_ratios(watched: Watched, sequences: list[str], split: str) -> list[dict[str, Any]]:
    """Return, by sequence, CLS's attention to the tumour in the last block by that of even attention to the brain.

    1: the tumour is looked at no more than other brain. Patients whose slice has no tumour patch don't count.
    """
    weights = watched.tumour * watched.brain
    there = weights.sum(axis=(1, 2)) > 0
    last, weights, brain = watched.attention[there, -1], weights[there], watched.brain[there]
    seen = (last * weights[:, None]).sum(axis=(2, 3)) / (last * brain[:, None]).sum(axis=(2, 3))
    even = weights.sum(axis=(1, 2)) / brain.sum(axis=(1, 2))
    ratios = seen / even[:, None]
    found = [{"split": split, "sequence": name, **_mean(ratios[:, n], "ratio")} for n, name in enumerate(sequences)]
    return found if there.any() else []


def _mean(values: NDArray, name: str = "share") -> dict[str, Any]:
    """Return the mean over patients with its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = values[rng.integers(0, len(values), (REPLICATES, len(values)))].mean(axis=1)
    low, high = interval(drawn)
    return {name: float(values.mean()), "low": low, "high": high, "n": len(values)}


def colours(watched: Watched) -> tuple[NDArray[np.uint8], float]:
    """Return the first three principal components of brain patches as RGB (N, S, g, g, 3), and their share of variance.

    As DINOv2's figures: one PCA for all patients and sequences, so that a colour means the same everywhere; each
    component is stretched from its 2nd to its 98th percentile. Patches outside of the brain are black.
    """
    patients, sequences, grid, _, dim = watched.patches.shape
    brain = np.broadcast_to(watched.brain[:, None], (patients, sequences, grid, grid))
    tokens = watched.patches[brain].astype(np.float32)
    rng = np.random.default_rng(0)
    some = tokens[rng.permutation(len(tokens))[:FITTED]]
    fitted = PCA(min(3, *some.shape), svd_solver="full" if dim <= 256 else "randomized", random_state=0).fit(some)
    parts = np.zeros((len(tokens), 3), np.float32)
    parts[:, : fitted.n_components_] = fitted.transform(tokens)
    low, high = np.percentile(parts, [2, 98], axis=0)
    shown = np.zeros((patients, sequences, grid, grid, 3), np.uint8)
    shown[brain] = (255 * np.clip((parts - low) / np.maximum(high - low, 1e-9), 0, 1)).round().astype(np.uint8)
    return shown, float(fitted.explained_variance_ratio_.sum())


def flat_map(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return t-SNE (N, 2) of standardised features (N, D), from a PCA and with a fixed seed; zeros for three or fewer."""
    if len(features) <= 3:
        return np.zeros((len(features), 2))
    scaled = StandardScaler().fit_transform(features)
    reduced = PCA(min(50, *scaled.shape), random_state=0).fit_transform(scaled)
    perplexity = min(NEIGHBOURS, (len(features) - 1) / 3)
    start = "pca" if reduced.shape[1] > 1 else "random"  # of one feature there is no second component to begin with
    return np.asarray(TSNE(perplexity=perplexity, init=start, random_state=0).fit_transform(reduced), np.float64)


def readable(features: NDArray[np.float32], places: NDArray[np.object_]) -> dict[str, Any] | None:
    """Return how well a place (site or cohort) can be read from features, by patients who were not fitted on.

    Balanced accuracy of L2 logistic regression in stratified five-fold cross-validation, beside chance (1 / places) and
    the highest of ``SHUFFLES`` shufflings of the places. Places with fewer than ``FEWEST`` patients are left out; None
    where fewer than two remain.
    """
    names, counts = np.unique(places.astype(str), return_counts=True)
    kept = np.isin(places.astype(str), names[counts >= FEWEST])
    places, features = places[kept].astype(str), features[kept]
    if len(np.unique(places)) < 2:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)

    def score(named: NDArray) -> float:
        return float(balanced_accuracy_score(named, cross_val_predict(model, features, named, cv=folds)))

    rng = np.random.default_rng(0)
    shuffled = max(score(rng.permutation(places)) for _ in range(SHUFFLES))
    classes = len(np.unique(places))
    found = {"classes": classes, "n": len(places), "chance": 1 / classes, "chance_high": shuffled}
    return found | {"balanced_accuracy": score(places)}
