"""LUMIERE: ``Imaging-v202211/Imaging/Patient-001/week-000-1/CT1.nii.gz``; IDH alone is told, and no segmentation is read."""

from collections.abc import Sequence
from pathlib import Path

from mmdino.phantom.layouts import Case
from mmdino.phantom.layouts.writing import cells, in_turn, write_csv

WEEK = "week-000-1"
WORDS = {"t1": "T1", "t1c": "CT1", "t2": "T2", "flair": "FLAIR"}
RATING = "Rating (according to RANO, PD: Progressive disease, SD: Stable disease)"
RATINGS = [
    *("Patient", "Date", "LessThan3Months", "NonMeasurableLesions", RATING),
    "Rating rationale (CRET: complete resection)",
]
IDH = "IDH (WT: wild type)"
HEADER = [
    *("Patient", "Survival time (weeks)", "Sex", "Age at surgery (years)", IDH),
    *("IDH method", "MGMT qualitative", "MGMT quantitative"),
]


def subject(cohort: str, number: int) -> str:
    """Return a patient's id."""
    return f"Patient-{number:03d}"


def place(case: Case, kind: str) -> str:
    """Return where a sequence of a patient lies."""
    return f"Imaging-v202211/Imaging/{case.subject}/{WEEK}/{WORDS[kind]}.nii.gz"


def write_tables(root: Path, cases: Sequence[Case]) -> None:
    """Write the experts' ratings, by which the session is the pre-operative one, and the patients' table."""
    rated = [cells(RATINGS, {"Patient": case.subject, "Date": WEEK, RATING: "Pre-Op"}) for case in cases]
    write_csv(root / "LUMIERE-ExpertRating-v202211.csv", RATINGS, rated)
    rows = []
    for number, case in enumerate(cases):
        idh = in_turn(("WT", "wt"), number) if case.label == "glioblastoma" else "R132H mut"
        rows.append(cells(HEADER, {"Patient": case.subject, IDH: idh}))
    write_csv(root / "LUMIERE-Demographics_Pathology.csv", HEADER, rows)
