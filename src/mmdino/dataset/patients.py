"""The patients of a study: their slices, their split, and the labels that training may see."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmdino.config import Data
from mmdino.dataset.bank import SliceBank, Slices
from mmdino.dataset.splits import ranked
from mmdino.errors import UserError, nearest
from mmdino.files import content_key
from mmdino.tables import CLASSES, PERSON

UNLABELLED = -1


@dataclass(frozen=True)
class Look:
    """One of the slices by which evaluation judges a patient, of several patients.

    Attributes:
        slices: a slice a patient.
        own: (N,) bool, whose slice it is; who has fewer slices is shown the last again, which does not count.
    """

    slices: Slices
    own: NDArray[np.bool_]

    def take(self, rows: NDArray) -> "Look":
        """Return the look at some of the patients."""
        return Look(self.slices.take(rows), self.own[rows])


class Patients:
    """A slice bank and the splits table (``tables.SPLITS``) seen together; patients without slices are left out.

    A test label cannot be got by accident: :meth:`targets` hides it, and only evaluation calls :meth:`labels`.
    """

    def __init__(self, bank: SliceBank, splits: pd.DataFrame, seen: Data | None = None):
        self.bank = bank
        self.seen = seen or Data()
        ready = splits[splits["subject"].isin(bank.subjects)].set_index("subject", drop=False).sort_index()
        self.splits = _restricted(ready, self.seen)

    def select(self, split: str, labelled: bool | None = None) -> list[str]:
        """Return the subjects of a split (train, val, test), sorted; if asked, only the labelled or the unlabelled."""
        chosen = self.splits[self.splits["split"] == split]
        if labelled is not None:
            chosen = chosen[chosen["labelled"] == labelled]
        return list(chosen["subject"])

    def targets(self, subjects: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) indices into ``tables.CLASSES`` where training and selection may know them, else −1."""
        rows = self.splits.loc[list(subjects)]
        hidden = ~rows["labelled"].to_numpy() | (rows["split"] == "test").to_numpy()
        return np.where(hidden, UNLABELLED, self.labels(subjects))

    def labels(self, subjects: Sequence[str]) -> NDArray[np.int64]:
        """Return (N,) true classes of any split, −1 where unknown. For evaluation only."""
        known = {name: index for index, name in enumerate(CLASSES)}
        found = [known.get(label, UNLABELLED) for label in self.splits.loc[list(subjects), "label"]]
        return np.array(found, np.int64)

    def cohorts(self, subjects: Sequence[str]) -> list[str]:
        """Return the cohort of each subject."""
        return list(self.splits.loc[list(subjects), "cohort"])

    def people(self, subjects: Sequence[str]) -> pd.DataFrame:
        """Return age (years, NaN where unknown) and sex (male, female, or empty) of each subject, in the order given."""
        return self.splits.loc[list(subjects), list(PERSON)]

    def evaluation_slices(self, subjects: Sequence[str]) -> Slices:
        """Return one slice a patient, in the order given: the axial one with the most tumour."""
        return self.bank.read([self.bank.evaluation_row(subject) for subject in subjects])

    def looks(self, subjects: Sequence[str]) -> list[Look]:
        """Return the slices by which evaluation judges, look by look.

        The paper's one look is the axial slice with the most tumour; ``Data`` may ask for more slices, or other axes.

        Raises:
            UserError: the slice bank was cut without an axis that is asked for.
        """
        return [self._look(subjects, axis, rank) for axis in self.seen.axes for rank in range(self.seen.slices)]

    def _look(self, subjects: Sequence[str], axis: int, rank: int) -> Look:
        rows = [self.bank.evaluation_row(subject, axis, rank) for subject in subjects]
        return Look(self.bank.read(rows), np.array([self.bank.has_rank(subject, axis, rank) for subject in subjects]))

    def fingerprint(self) -> str:
        """Return a key that changes with any image, split or label that a run may have seen."""
        # Left out where nobody's is known, so that runs from before there were such columns stay valid.
        unknown = [name for name in PERSON if self.splits[name].replace("", np.nan).isna().all()]
        return content_key([self.bank.key, self.splits.drop(columns=unknown).to_dict("list")])


def _restricted(splits: pd.DataFrame, seen: Data) -> pd.DataFrame:
    """Return the splits with fewer labels and fewer unlabelled training patients; a larger share keeps a smaller's.

    Who is left is decided by a hash of the patient alone; each class keeps at least one label.
    """
    splits = _left_out(splits, seen.leave_out) if seen.leave_out else splits.copy()
    train, labelled = splits["split"] == "train", splits["labelled"].astype(bool)
    for _, members in splits[train & labelled].groupby("label"):
        kept = round(seen.labelled_fraction * len(members)) or 1
        splits.loc[ranked(members, "fewer labels")[kept:], "labelled"] = False
    spare = splits[train & ~labelled]
    return splits.drop(index=ranked(spare, "fewer unlabelled")[round(seen.unlabelled_fraction * len(spare)) :])


def _left_out(splits: pd.DataFrame, cohort: str) -> pd.DataFrame:
    """Return the splits with a training cohort in the test split's place; who was tested before is not looked at."""
    own = splits["cohort"] == cohort
    if not own.any():
        known = nearest(cohort, set(splits["cohort"]))
        raise UserError(f"data.leave_out is '{cohort}', and the study has no patient of that cohort{known}")
    left = splits[own | (splits["split"] != "test")].copy()
    left.loc[left["cohort"] == cohort, "split"] = "test"
    left.loc[left["cohort"] == cohort, "labelled"] = left["label"] != ""
    return left
