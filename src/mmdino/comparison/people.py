"""Which patients two sides have in common: the same name in the same cohort, and in phantom cohorts the same signs."""

import numpy as np
import pandas as pd

from mmdino.comparison.sides import RunRead, Side
from mmdino.evaluation.predictions import Answers

ENOUGH = 0.5  # of the smaller external test: with fewer patients in common the sides are not paired
SIGNS_MAY_DIFFER = ["subject", "cohort", "folder"]


def other_patients(a: Side, b: Side) -> set[str]:
    """Return the phantom cohorts that are called alike and whose patients are others (another seed, other signs)."""
    found = set()
    for cohort in set(a.truth["cohort"]) & set(b.truth["cohort"]):
        ours, theirs = (side.truth[side.truth["cohort"] == cohort].set_index("subject") for side in (a, b))
        common = ours.index.intersection(theirs.index)
        columns = [name for name in ours if name not in SIGNS_MAY_DIFFER]
        if not ours.loc[common, columns].equals(theirs.loc[common, columns]):
            found.add(str(cohort))
    return found


def in_common(ours: list[RunRead], theirs: list[RunRead], others: set[str]) -> set[str]:
    """Return the patients whom all of these runs predicted, in the same cohort and with the same label."""
    people = [run.people[~run.people["cohort"].isin(others)] for run in (*ours, *theirs)]
    same = set(people[0].index)
    for frame in people[1:]:
        known = frame.reindex(people[0].index)
        equal = (known["cohort"] == people[0]["cohort"]) & (known["label"] == people[0]["label"])
        same &= set(people[0].index[equal])
    return same


def paired(ours: list[Answers], theirs: list[Answers], common: set[str]) -> tuple[list[Answers], list[Answers]] | None:
    """Return both sides' answers about the patients in common; None where these are too few of those tested."""
    kept = [[_only(answers, common) for answers in side] for side in (ours, theirs)]
    smaller = min(len(answers) for answers in (*ours, *theirs))
    fewest = min(len(answers) for side in kept for answers in side)
    return (kept[0], kept[1]) if fewest >= ENOUGH * smaller else None


def _only(answers: Answers, subjects: set[str]) -> Answers:
    return answers.only(np.isin(answers.subjects.astype(str), list(subjects)))


def changed(a: pd.DataFrame, b: pd.DataFrame, column: str) -> int:
    """Return how many subjects of both tables (by cohort and subject) have another value in ``column``."""
    key = ["cohort", "subject"]
    both = a.drop_duplicates(key).merge(b.drop_duplicates(key), on=key)
    return int((both[f"{column}_x"] != both[f"{column}_y"]).sum())
