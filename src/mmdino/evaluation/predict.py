"""Ask a fitted method about the validation and test patients, under every set of sequences, protocol and read-out.

``refit``: the regression is fitted on the training patients' features of the same set of sequences (the paper's).
``transfer``: it is fitted on features of all four, and the patient comes with fewer: the clinical case. The network's
own output (``head``) is never refitted, so it has the protocol ``transfer`` only.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmdino.dataset.bank import Slices
from mmdino.dataset.patients import Patients
from mmdino.errors import UserError
from mmdino.evaluation.subsets import SUBSETS
from mmdino.methods.base import Encoder, Run, method
from mmdino.models.logistic import Fitted, fit_sweep
from mmdino.tables import CLASSES, PREDICTIONS, SEQUENCES, conform, sequence_set

BATCH = 128
Question = Callable[[Slices, tuple[str, ...]], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Seen:
    """What an encoder gives under one set of sequences.

    Attributes:
        rows: (N,) bool, the patients who have at least one of the sequences.
        values: by read-out, (rows.sum(), D) features or class probabilities.
    """

    rows: NDArray[np.bool_]
    values: dict[str, NDArray]


def predict(run: Run, method_name: str, protocols: Sequence[str], progress: bool = True) -> pd.DataFrame:
    """Return the predictions of a run (``tables.PREDICTIONS``) for its validation and test patients.

    A patient who lacks a sequence is shown without it; one who has none of a set gets the training classes' shares.
    Test labels are copied into the table and used for nothing. ``attrs["regressions"]`` lists each regression's C, with
    a note where it could not be chosen; Parquet keeps it.

    Raises:
        UserError: there is no labelled training patient or nobody to predict, or the method's output is not finite.
    """
    encoder, patients = method(method_name).load(run), run.patients
    train, asked = patients.select("train", labelled=True), patients.select("val") + patients.select("test")
    _check(run, train, asked)
    targets = patients.targets(train)
    prior = np.bincount(targets, minlength=len(CLASSES)) / len(targets)
    parts: list[pd.DataFrame] = []
    notes: list[dict[str, Any]] = []
    on_all: dict[str, Fitted | None] = {}
    for names in _tracked(SUBSETS, run, progress):
        fitted = {}
        if "refit" in protocols or names == SEQUENCES:
            fitted = _fit(_ask(patients, train, names, encoder.features), targets, run.seed)
        on_all = on_all or fitted  # SUBSETS begins with all four
        regressions = {"refit": {**dict.fromkeys(on_all), **fitted}, "transfer": on_all}
        seen = _ask(patients, asked, names, encoder.features)
        for protocol in protocols:
            for readout, regression in regressions[protocol].items():
                given = _classify(regression, seen, readout, prior)
                parts.append(_rows(patients, asked, names, protocol, readout, given))
                notes.append(_note(names, protocol, readout, regression))
        if "transfer" in protocols:
            head = _ask(patients, asked, names, _head(encoder))
            for readout, values in head.values.items():
                given = _spread(head.rows, values, prior)
                parts.append(_rows(patients, asked, names, "transfer", readout, given))
    frame = conform(PREDICTIONS, pd.concat(parts, ignore_index=True), run.folder / "predictions.parquet")
    frame.attrs["regressions"] = notes
    return frame


def _check(run: Run, train: list[str], asked: list[str]) -> None:
    hint = "look into splits.tsv and the slice banks' failures.tsv"
    if not train:
        raise UserError(f"{run.folder}: no labelled training patient has slices; {hint}")
    if not asked:
        raise UserError(f"{run.folder}: no validation or test patient has slices; {hint}")


def _tracked(subsets: Sequence[tuple[str, ...]], run: Run, progress: bool) -> Any:
    console = Console(stderr=True)
    title = f"Predicting {run.folder.parent.name} {run.folder.name}"
    return track(subsets, title, console=console, disable=not (progress and sys.stderr.isatty()), transient=True)


def _head(encoder: Encoder) -> Question:
    def question(slices: Slices, names: tuple[str, ...]) -> dict[str, np.ndarray]:
        answer = encoder.probabilities(slices, names)
        if answer is None:
            return {}
        answer = np.asarray(answer, np.float64)
        return {"head": answer / answer.sum(axis=1, keepdims=True)}

    return question


def _ask(patients: Patients, subjects: list[str], names: tuple[str, ...], question: Question) -> Seen:
    """Ask about each patient's evaluation slice in batches of patients who show the same sequences."""
    wanted = np.isin(SEQUENCES, names)
    positions, answers = [], []
    for start in range(0, len(subjects), BATCH):
        slices = patients.evaluation_slices(subjects[start : start + BATCH])
        visible = slices.present & wanted
        for shown in np.unique(visible[visible.any(axis=1)], axis=0):
            rows = np.flatnonzero((visible == shown).all(axis=1))
            batch = Slices(slices.images[rows], slices.tumour[rows], slices.present[rows])
            positions.append(start + rows)
            answers.append(question(batch, tuple(compress(SEQUENCES, shown))))
    order = np.concatenate(positions) if positions else np.zeros(0, np.int64)
    values = {
        key: np.concatenate([answer[key] for answer in answers])[np.argsort(order)] for key in (answers or [{}])[0]
    }
    for readout, given in values.items():
        if not np.isfinite(given).all():
            raise UserError(
                f"read-out '{readout}' under {sequence_set(names)} is NaN or infinite: the weights are broken or "
                "training has diverged; look at log.jsonl and train again"
            )
    return Seen(np.isin(np.arange(len(subjects)), order), values)


def _fit(seen: Seen, targets: NDArray[np.int64], seed: int) -> dict[str, Fitted | None]:
    """Fit a regression for each read-out; where no training patient has any of the sequences there is none."""
    return {readout: fit_sweep(values, targets[seen.rows], seed) for readout, values in seen.values.items()}


def _classify(regression: Fitted | None, seen: Seen, readout: str, prior: NDArray) -> NDArray[np.float64]:
    if regression is None or readout not in seen.values:
        return np.tile(prior, (len(seen.rows), 1))
    return _spread(seen.rows, regression.predict_proba(seen.values[readout]), prior)


def _spread(rows: NDArray[np.bool_], probabilities: NDArray, prior: NDArray) -> NDArray[np.float64]:
    """Return (N, 3): the probabilities where something was seen, else the training classes' shares."""
    result = np.tile(prior, (len(rows), 1))
    result[rows] = probabilities
    return result


def _rows(
    patients: Patients, asked: list[str], names: tuple[str, ...], protocol: str, readout: str, given: NDArray
) -> pd.DataFrame:
    known = patients.splits.loc[asked]
    rows = pd.DataFrame({column: known[column].to_numpy() for column in ("subject", "cohort", "split", "label")})
    rows["sequences"], rows["protocol"], rows["readout"] = sequence_set(names), protocol, readout
    rows[[f"p_{name}" for name in CLASSES]] = given
    return rows


def _note(names: tuple[str, ...], protocol: str, readout: str, regression: Fitted | None) -> dict[str, Any]:
    place = {"sequences": sequence_set(names), "protocol": protocol, "readout": readout}
    if regression is None:
        return {**place, "C": None, "note": "no training patient has any of these sequences: the classes' shares"}
    return {**place, "C": regression.C, "note": regression.note}
