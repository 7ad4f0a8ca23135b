"""Who trains, who validates and who is tested: decided by patient, so that no patient is on two sides.

Ranks come from a hash of the patient and the seed. So a larger ``labelled_fraction`` keeps every patient of a smaller
one, and a new patient moves at most one other, of its own cohort and class.
"""

import logging

import pandas as pd

from mmdino.config import Policy, Splits, Study
from mmdino.dataset.identities import identities
from mmdino.dataset.lists import listed_split, read_lists
from mmdino.errors import UserError
from mmdino.files import stable_hash
from mmdino.tables import CLASSES, SPLITS

FEWEST = 2  # labelled training patients of a class: one to hold out, by whom the regression is chosen, one to fit it on
log = logging.getLogger(__name__)


def make_splits(
    study: Study,
    manifests: pd.DataFrame,
    preprocessed: pd.DataFrame,
    leakage: pd.DataFrame | None = None,
    policy: Policy | None = None,
) -> pd.DataFrame:
    """Return the splits table (``tables.SPLITS``) of all cohorts' manifests, preprocessed tables and leakage audit.

    Patients who occur twice are treated by ``policy``, of an experiment; None: by the study's ``leakage.policy``.

    Patients of a cohort with ``role: test`` are the test split, even if they also occur in a training cohort. Of the
    others, ``validation_fraction`` of the labelled ones validate, in each cohort and class; the rest trains, and the
    labels of ``labelled_fraction`` of each class stay visible. Patients that failed preprocessing are left out.
    With ``splits.lists`` the lists say who trains and validates (without a label, nobody does), and who stands in none
    is left out; the test cohorts stay tests.

    Raises:
        UserError: an id is in two cohorts, a class has fewer than ``FEWEST`` labelled training patients, or nobody is left
            to validate on.
    """
    patients = _patients(study, manifests, preprocessed, leakage, policy or study.leakage.policy)
    settings = study.splits
    patients["split"] = "train"
    patients.loc[patients["cohort"].map(lambda name: study.cohorts[name].role) == "test", "split"] = "test"
    known = patients["label"] != ""

    if settings.lists:
        patients = _by_lists(patients, settings.lists)
        known = patients["label"] != ""
    else:
        for _, stratum in patients[known & (patients["split"] == "train")].groupby(["cohort", "label"]):
            most = len(stratum) - 1  # somebody must be left to train on
            count = min(round(settings.validation_fraction * len(stratum)) or 1, most)
            patients.loc[ranked(stratum, "validation", settings.seed)[:count], "split"] = "val"

    patients["labelled"] = known & (patients["split"] != "train")
    for _, stratum in patients[known & (patients["split"] == "train")].groupby("label"):
        count = round(settings.labelled_fraction * len(stratum)) or 1
        patients.loc[ranked(stratum, "labelled", settings.seed)[:count], "labelled"] = True

    _check(patients, settings)
    return patients[list(SPLITS.columns)].sort_values("patient").reset_index(drop=True)


def other_splits(
    study: Study, manifests: pd.DataFrame, preprocessed: pd.DataFrame, leakage: pd.DataFrame | None, policy: Policy
) -> pd.DataFrame:
    """Return the splits under an experiment's policy, which must differ from those under the other.

    Raises:
        UserError: as :func:`make_splits`, or nobody occurs twice, so that the experiment has nothing to test.
    """
    found = make_splits(study, manifests, preprocessed, leakage, policy)
    other = make_splits(study, manifests, preprocessed, leakage, "keep" if policy != "keep" else "remove-from-train")
    if len(found) == len(other):
        raise UserError(
            f"splits: an experiment asks for 'leak: {policy}', and no patient of this study occurs twice: what a leak is "
            "worth is not testable on it"
            + ("; phantoms have none" if study.is_phantom else "; `leakage.audit: true` compares all patients")
        )
    return found


def _patients(
    study: Study, manifests: pd.DataFrame, preprocessed: pd.DataFrame, leakage: pd.DataFrame | None, policy: Policy
) -> pd.DataFrame:
    """Return one row a patient: of several sessions the test cohort's first, then a labelled one, then by order.

    ``_names`` holds what the lists may call the patient (``lists.listed_split``).
    """
    done = preprocessed.loc[preprocessed["status"] == "done", ["cohort", "subject", "session"]]
    found = manifests[manifests["excluded"] == ""].merge(done, on=["cohort", "subject", "session"])
    _require_own_ids(found, policy)
    told, found["patient"] = found["patient"], identities(found, leakage, policy)
    found["_names"] = _names(found, told, policy)
    order = {name: number for number, name in enumerate(study.cohorts)}
    found["_order"] = found["cohort"].map(order)
    found["_train"] = found["cohort"].map(lambda name: study.cohorts[name].role != "test")
    found["_unlabelled"] = found["label"] == ""
    found = found.sort_values(["_train", "_unlabelled", "_order", "subject", "session"])
    return found.drop_duplicates("patient").reset_index(drop=True)


def _require_own_ids(found: pd.DataFrame, policy: Policy) -> None:
    """Refuse an id that two cohorts give: banks and predictions know a patient by it, and ``sub-01`` is nobody's name.

    Ids that differ in case alone are one patient's (the authors' lower case), which is said: who knows of two can rename one.
    """
    people = found[["cohort", "subject"]].drop_duplicates()
    twice = people[people["subject"].duplicated(keep=False)]
    if len(twice):
        subject = twice["subject"].min()
        cohorts = " and ".join(sorted(twice["cohort"][twice["subject"] == subject]))
        more = f" (and {count} more)" if (count := twice["subject"].nunique() - 1) else ""
        raise UserError(
            f"splits: '{subject}' is an id in {cohorts}{more}; ids must differ between cohorts: rename one's patients, with "
            "their rows in the label table (one person's two ids are joined by the column `patient` of a BIDS "
            "participants.tsv), or leave one cohort out"
        )
    alike = people[people["subject"].str.casefold().duplicated(keep=False)]
    if len(alike) and policy != "keep":
        some = ", ".join(f"{row.subject} ({row.cohort})" for row in alike.sort_values("subject").head(4).itertuples())
        log.warning(
            "%d ids differ in upper and lower case alone and are taken for one patient each: %s", len(alike), some
        )


def _names(found: pd.DataFrame, told: pd.Series, policy: Policy) -> pd.Series:
    """Return, for each session, the names of its patient: all of any cohort's, or, where all are kept, first the own one."""
    if policy == "keep":
        return pd.Series([[{subject}, {name}] for subject, name in zip(found["subject"], told)], found.index, object)
    both = pd.concat([found["subject"], told.where(told != "", found["subject"])])
    names = both.groupby(pd.concat([found["patient"]] * 2)).agg(set)
    return found["patient"].map(lambda patient: [names[patient]])


def _by_lists(patients: pd.DataFrame, folder: str) -> pd.DataFrame:
    """Return the patients whom the lists know, and those of test cohorts, with their splits."""
    own = patients["split"] != "test"
    patients.loc[own, "split"] = listed_split(patients.loc[own, "_names"], read_lists(folder))
    unused = (patients["split"] == "") | (own & (patients["split"] == "val") & (patients["label"] == ""))
    return patients[~unused].copy()


def ranked(patients: pd.DataFrame, *key: object) -> pd.Index:
    """Return the patients' row labels in the order of their hashes; ``key``: what they are ranked for."""
    rank = patients["patient"].map(lambda patient: stable_hash(*key, patient))
    return rank.sort_values(kind="stable").index


def _check(patients: pd.DataFrame, settings: Splits) -> None:
    train = patients[patients["split"] == "train"]
    counts = {name: int((train.loc[train["labelled"], "label"] == name).sum()) for name in CLASSES}
    few = {name: count for name, count in counts.items() if count < FEWEST}
    if few:
        told = ", ".join(f"{count or 'no'} of {name}" for name, count in few.items())
        known = {name: int((train["label"] == name).sum()) for name in few}
        remedies = ["add patients of it"]
        if any(count >= FEWEST for count in known.values()):
            remedies.append("raise `splits.labelled_fraction`")
        if not settings.lists and any(
            count < FEWEST <= count + _spare(patients, name) for name, count in known.items()
        ):
            remedies.append("lower `splits.validation_fraction`")
        raise UserError(
            f"splits: of the labelled training patients there is {told}, and a class needs {FEWEST} at least, one to fit "
            f"the regression on and one to hold out; {', '.join(remedies)}, or look in the preprocessed tables why they "
            "failed"
        )
    if not (patients["split"] == "val").any():
        raise UserError(
            "splits: nobody is left for validation: every cohort has at most one labelled training patient of each "
            "class; add patients"
        )


def _spare(patients: pd.DataFrame, name: str) -> int:
    """Return how many patients of a class validate beyond the one of each cohort who always does."""
    validating = patients[(patients["split"] == "val") & (patients["label"] == name)]
    return len(validating) - validating["cohort"].nunique()
