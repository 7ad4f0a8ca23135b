"""``metrics.json``: every metric of a run by split, set of sequences, protocol and read-out, with intervals."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmdino.evaluation.bootstrap import LEVEL, interval, resample, resampled_confusion
from mmdino.evaluation.metrics import METRICS, confusion, mcc, points, resampled
from mmdino.evaluation.predictions import Answers, group, read_predictions
from mmdino.files import file_digest, write_json
from mmdino.tables import CLASSES

VERSION = 2


def evaluate(predictions: Path | str, out: Path | str, replicates: int = 2000) -> None:
    """Compute a run's metrics from its predictions and write them."""
    metrics = measure_all(read_predictions(predictions), replicates)
    write_json(out, {**metrics, "predictions_sha256": file_digest(predictions)})


def measure_all(frame: pd.DataFrame, replicates: int) -> dict[str, Any]:
    """Return the content of ``metrics.json`` for a checked predictions table."""
    rows, drawn = [], {}
    for place, answers in group(frame).items():
        patients = (place.split, *answers.subjects)
        if patients not in drawn:
            drawn[patients] = resample(answers.truth, replicates)
        rows.append({**place._asdict(), **measure(answers, drawn[patients])})
    return {
        "version": VERSION,
        "classes": list(CLASSES),
        "bootstrap": {"replicates": replicates, "level": LEVEL, "stratified_by": "label", "interval": "percentile"},
        "regressions": frame.attrs.get("regressions", []),
        "metrics": rows,
    }


def measure(answers: Answers, weights: NDArray[np.float32]) -> dict[str, Any]:
    """Return n, confusion counts (rows true) and each metric as value, low and high, or None with a ``reason``.

    MCC needs two classes among the patients, every other metric all of them.
    """
    counts = confusion(answers.truth, answers.predicted, len(CLASSES))
    absent = [name for name, there in zip(CLASSES, counts.sum(axis=1)) if not there]
    result: dict[str, Any] = {"n": len(answers), "confusion": counts.tolist(), "reason": _reason(absent)}
    result.update(dict.fromkeys(METRICS))
    if len(absent) >= len(CLASSES) - 1:
        return result
    if absent:
        drawn = resampled_confusion(answers.truth, answers.predicted, weights, len(CLASSES))
        return result | {"mcc": _with_interval(float(mcc(counts)), mcc(drawn))}
    values = points(answers.truth, answers.probabilities)
    replicates = resampled(answers.truth, answers.probabilities, weights)
    return result | {name: _with_interval(values[name], replicates[name]) for name in METRICS}


def _with_interval(value: float, replicates: NDArray) -> dict[str, float]:
    low, high = interval(replicates)
    return {"value": value, "low": low, "high": high}


def _reason(absent: list[str]) -> str:
    if len(absent) == len(CLASSES):
        return "no labelled patient"
    return f"no patient with {' or '.join(absent)}" if absent else ""
