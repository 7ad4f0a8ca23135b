"""Predictions of a run, checked: the only thing that metrics, comparisons and the report are computed from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmdino.errors import UserError, nearest
from mmdino.evaluation.subsets import ALL, SUBSETS
from mmdino.tables import CLASSES, PREDICTIONS, read_table, sequence_set

PROBABILITIES = [f"p_{name}" for name in CLASSES]
KNOWN = {
    "split": ("val", "test"),
    "protocol": ("refit", "transfer"),
    "readout": ("cls", "patch", "head"),
    "sequences": tuple(sequence_set(names) for names in SUBSETS),
    "label": (*CLASSES, ""),
}
AGREE = 1e-6  # by how much probabilities may miss a sum of 1


@dataclass(frozen=True)
class Answers:
    """What one run said about the labelled patients of a split, sorted by subject.

    Attributes:
        subjects: (N,) names.
        truth: (N,) index into ``tables.CLASSES``.
        probabilities: (N, 3).
        seed: the run's; None where nobody says. Arms of equal seeds are compared seed by seed.
    """

    subjects: NDArray[np.object_]
    truth: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    seed: int | None = None

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Return (N,) the most probable class."""
        return self.probabilities.argmax(axis=1)

    def only(self, rows: NDArray[np.bool_]) -> "Answers":
        """Return the answers about some of the patients, ``rows`` (N,)."""
        return Answers(self.subjects[rows], self.truth[rows], self.probabilities[rows], self.seed)

    def __len__(self) -> int:
        return len(self.subjects)


def read_predictions(path: Path | str) -> pd.DataFrame:
    """Read ``predictions.parquet`` (``tables.PREDICTIONS``).

    Raises:
        UserError: probabilities that aren't finite, lie outside 0…1 or don't sum to 1; a patient twice or in two
            splits, or asked under some sets of sequences and not under others; an unknown split, protocol, read-out, set
            of sequences or label. File and row are named.
    """
    frame = read_table(PREDICTIONS, path)
    attrs, frame.attrs = frame.attrs, {}  # pandas copies them deeply with every operation
    for column, known in KNOWN.items():
        bad = ~frame[column].isin(known)
        if bad.any():
            row = int(bad.to_numpy().argmax())
            value = frame[column].iloc[row]
            raise _refused(path, frame, row, f"unknown {column} '{value}'{nearest(value, known)}")
    values = frame[PROBABILITIES].to_numpy()
    wrong = ~(np.isfinite(values).all(axis=1) & (values >= -AGREE).all(axis=1) & (abs(values.sum(axis=1) - 1) <= AGREE))
    if wrong.any():
        row = int(wrong.argmax())
        shown = " + ".join(f"{value:.4g}" for value in values[row])
        raise _refused(path, frame, row, f"probabilities {shown} don't sum to 1")
    places = frame.drop_duplicates(["subject", "split"]).duplicated("subject")
    if places.any():
        raise _refused(path, frame, int(places.index[places][0]), "the patient is in two splits")
    _require_all_asked(path, frame)
    frame.attrs = attrs
    return frame


def _require_all_asked(path: Path | str, frame: pd.DataFrame) -> None:
    """Refuse a table in which somebody was not asked under one of its sets of sequences, by a protocol and read-out."""
    everybody, sets = frame["subject"].unique(), frame["sequences"].unique()
    for (protocol, readout), part in frame.groupby(["protocol", "readout"], sort=False):
        if len(part) == len(everybody) * len(sets):
            continue
        for sequences in sets:
            silent = ~frame["subject"].isin(part.loc[part["sequences"] == sequences, "subject"])
            if silent.any():
                count = frame.loc[silent, "subject"].nunique()
                wrong = f"{count} of {len(everybody)} patients, this one first, have no answer under {sequences}"
                raise _refused(path, frame, int(silent.to_numpy().argmax()), f"{wrong} ({protocol}, {readout})")


def _refused(path: Path | str, frame: pd.DataFrame, row: int, wrong: str) -> UserError:
    subject = frame["subject"].iloc[row]
    return UserError(f"{path}: row {row} (subject {subject}): {wrong}; delete the file and run `mmdino predict` again")


class Place(NamedTuple):
    """Under which circumstances an answer was given."""

    split: str
    sequences: str
    protocol: str
    readout: str


def group(frame: pd.DataFrame, seed: int | None = None) -> dict[Place, Answers]:
    """Return a run's answers about labelled patients by place; a place without a labelled patient has empty ones."""
    index = {name: number for number, name in enumerate(CLASSES)}
    truth = np.asarray(frame["label"].map(index).fillna(-1), np.int64)
    subjects = frame["subject"].to_numpy(object)
    rank = np.unique(subjects.astype(str), return_inverse=True)[1]
    probabilities = frame[PROBABILITIES].to_numpy(np.float64)
    by_place: Any = frame.groupby(list(Place._fields), sort=False).indices
    found: dict[Place, Answers] = {}
    named: dict[bytes, NDArray[np.object_]] = {}
    for place, rows in by_place.items():
        known = np.asarray(rows[truth[rows] >= 0], np.int64)
        ordered = known[np.argsort(rank[known], kind="stable")]
        # One array of names for all places with the same patients: comparing names is much of a report's work.
        names = named.setdefault(rank[ordered].tobytes(), subjects[ordered])
        found[Place(*place)] = Answers(names, truth[ordered], probabilities[ordered], seed)
    return found


def select(answers: Mapping[Place, Answers], split: str, readout: str, sequences: str = ALL) -> Answers | None:
    """Return the answers of protocol ``transfer``, else of ``refit`` (the same with all four), else None."""
    places = (Place(split, sequences, protocol, readout) for protocol in ("transfer", "refit"))
    return next((answers[place] for place in places if place in answers), None)
