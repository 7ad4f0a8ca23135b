"""The classifier on frozen features: L2 logistic regression, its strength chosen on a hold-out of train."""

from dataclasses import dataclass

import numpy as np

from mmdino.errors import UserError
from mmdino.models.multinomial import Multinomial, fit_multinomial
from mmdino.models.scores import confusion, mcc

STRENGTHS = 10 ** np.linspace(-6, 5, 45)
HOLDOUT = 0.1
ENOUGH = 100  # patients by whom the strength is chosen; one hold-out of the paper's 1,162 labelled patients has as many
MOST_HOLDOUTS = 4
FALLBACK = 1.0  # the strength where there are too few patients to choose one


@dataclass(frozen=True)
class Fitted:
    """A fitted regression.

    Attributes:
        C: inverse regularisation strength.
        scores: MCC by strength (45,), the mean over hold-outs, or None where there was none.
        note: why ``C`` is a fixed value, or by which classes it was not chosen, or "".
    """

    C: float
    scores: np.ndarray | None
    note: str
    classes: int
    centre: np.ndarray
    scale: np.ndarray
    model: Multinomial | None
    present: np.ndarray

    def predict_proba(self, features: np.ndarray) -> np.ndarray:
        """Return class probabilities (N, classes) float64; a class that training never saw has 0."""
        probabilities = np.zeros((len(features), self.classes))
        if self.model is None:
            probabilities[:, self.present] = 1.0
        elif len(features):
            probabilities[:, self.present] = self.model.predict_proba((features - self.centre) / self.scale)
        return probabilities


def fit_sweep(
    features: np.ndarray, labels: np.ndarray, seed: int, classes: int = 3, standardise: bool = True
) -> Fitted:
    """Fit L2 multinomial logistic regression with the strength that is best by MCC on a stratified hold-out.

    45 values C = 10^linspace(-6, 5) are tried on 90 % of the patients, each started from the last; of equally good ones
    the strongest regularisation wins; the regression is then refitted on all (docs/method.md, Evaluation). A tenth of a
    small study is too few to choose by: then up to four hold-outs are drawn, until they have 100 patients together, and
    their MCC is averaged. Where a hold-out would have fewer than three patients or a single class, C = 1 and ``note``
    says so; so it does where a class has too few patients for a tenth of them, and C is chosen by the other classes.

    Args:
        features: (N, D), one row a training patient.
        labels: (N,) int in 0…classes-1.
        seed: chooses the hold-outs; nothing else is random.
        standardise: z-score each feature by the training patients' mean and standard deviation. Without, the CLS
            features of a random network, whose variance is tiny, gave MCC .00 instead of .25 (docs/benchmarks.md).

    Raises:
        UserError: there is no patient, or a feature is NaN or infinite.
    """
    features, labels = np.asarray(features, dtype=np.float64), np.asarray(labels)
    _check(features, labels, classes)
    centre, scale = _standard(features) if standardise else (np.zeros(features.shape[1]), np.ones(features.shape[1]))
    scaled = (features - centre) / scale
    present = np.unique(labels)
    if len(present) == 1:
        note = "all training patients have one class: it is always predicted"
        return Fitted(FALLBACK, None, note, classes, centre, scale, None, present)
    held = holdout(labels, seed)
    if held.sum() < 3 or len(np.unique(labels[held])) < 2 or len(np.unique(labels[~held])) < len(present):
        note = f"C fixed at {FALLBACK:g}: {len(labels)} training patients are too few for a hold-out"
        model = fit_multinomial(scaled, labels, FALLBACK)
        return Fitted(FALLBACK, None, note, classes, centre, scale, model, present)
    rounds = min(MOST_HOLDOUTS, -(-ENOUGH // int(held.sum())))
    sweeps = [sweep(scaled, labels, holdout(labels, seed, turn), classes) for turn in range(rounds)]
    scores = np.mean([scores for _, scores in sweeps], axis=0)
    best = int(scores.argmax())
    strength = float(STRENGTHS[best])
    model = fit_multinomial(scaled, labels, strength, start=sweeps[0][0][best])
    return Fitted(strength, scores, _unheld(labels, held), classes, centre, scale, model, present)


def holdout(labels: np.ndarray, seed: int, turn: int = 0) -> np.ndarray:
    """Return a mask (N,) of about a tenth of each class, drawn by ``seed``; a class of five or fewer gives none."""
    rng = np.random.default_rng([seed, 45, turn])
    held = np.zeros(len(labels), dtype=bool)
    for name in np.unique(labels):
        members = np.flatnonzero(labels == name)
        held[rng.permutation(members)[: round(HOLDOUT * len(members))]] = True
    return held


def _unheld(labels: np.ndarray, held: np.ndarray) -> str:
    """Return which classes the hold-out lacks, in a sentence, or ""."""
    counts = {int(name): int((labels == name).sum()) for name in np.setdiff1d(labels, labels[held])}
    said = " and ".join(f"{count} training patients of class {name}" for name, count in counts.items())
    return f"C chosen by the other classes: {said} are too few for a hold-out" if counts else ""


def _check(features: np.ndarray, labels: np.ndarray, classes: int) -> None:
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ValueError(f"features {features.shape} and labels {labels.shape} don't match (N, D) and (N,)")
    if not len(labels):
        raise UserError("logistic regression: there is no labelled training patient; check `labelled` in splits.tsv")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels must lie in 0…{classes - 1}, but go from {labels.min()} to {labels.max()}")
    if not np.isfinite(features).all():
        bad = int((~np.isfinite(features).all(axis=1)).sum())
        raise UserError(
            f"logistic regression: features of {bad} of {len(features)} training patients are NaN or infinite; "
            "training has diverged: look at log.jsonl, lower the learning rate and train again"
        )


def _standard(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation by feature; a constant feature is left unscaled (and so becomes 0)."""
    deviation = features.std(axis=0)
    constant = deviation <= 1e-12 * np.maximum(1.0, np.abs(features).max(axis=0))
    return features.mean(axis=0), np.where(constant, 1.0, deviation)


def sweep(
    features: np.ndarray, labels: np.ndarray, held: np.ndarray, classes: int
) -> tuple[list[Multinomial], np.ndarray]:
    """Return the models by strength, fitted without the hold-out, each from the last, and their MCC on it."""
    present = np.unique(labels)
    model: Multinomial | None = None
    models, counts = [], []
    for strength in STRENGTHS:
        model = fit_multinomial(features[~held], labels[~held], float(strength), start=model)
        answers = present[model.predict_proba(features[held]).argmax(axis=1)]
        counts.append(confusion(labels[held], answers, classes))
        models.append(model)
    return models, mcc(np.array(counts))
