"""Predictions made up for tests: an arm that is right as often as asked."""

from pathlib import Path

import numpy as np
import pandas as pd

from mmdino.evaluation.subsets import SUBSETS
from mmdino.tables import CLASSES, PREDICTIONS, sequence_set, write_table


def answers(truth: np.ndarray, skill: float, rng: np.random.Generator) -> np.ndarray:
    """Return (N, 3) probabilities; ``skill`` 0 knows nothing."""
    logits = rng.normal(size=(len(truth), len(CLASSES)))
    logits[np.arange(len(truth)), truth] += 3 * skill
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


def predictions(
    skill: float = 0.8,
    val: int = 60,
    test: int = 150,
    seed: int = 0,
    subsets=SUBSETS,
    readouts=("cls", "patch", "head"),
) -> pd.DataFrame:
    """Return a predictions table; each sequence that is missing costs skill."""
    people = np.random.default_rng(7)
    subjects = [f"sub-{number:04d}" for number in range(val + test)]
    splits = ["val"] * val + ["test"] * test
    truth = people.choice(3, val + test, p=[0.3, 0.45, 0.25])
    rng = np.random.default_rng([11, seed])
    parts = []
    for names in subsets:
        for readout in readouts:
            for protocol in ("transfer",) if readout == "head" else ("refit", "transfer"):
                given = answers(truth, skill * len(names) / 4, rng)
                rows = pd.DataFrame({"subject": subjects, "split": splits, "label": [CLASSES[k] for k in truth]})
                rows["cohort"] = np.where(rows["split"] == "test", "external", "site-a")
                rows["sequences"], rows["protocol"], rows["readout"] = sequence_set(names), protocol, readout
                rows[[f"p_{name}" for name in CLASSES]] = given
                parts.append(rows)
    return pd.concat(parts, ignore_index=True)[list(PREDICTIONS.columns)]


def written(folder: Path, frame: pd.DataFrame) -> Path:
    """Write predictions and return their path."""
    write_table(PREDICTIONS, frame, folder / "predictions.parquet")
    return folder / "predictions.parquet"
