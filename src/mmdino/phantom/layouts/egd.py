"""EGD as XNAT gives it: ``MR_EGD-0001/2_T1GD/NIFTI/T1GD.nii.gz``, and an Excel table in which −1 is unknown."""

from collections.abc import Sequence
from pathlib import Path

from mmdino.phantom.layouts import Case
from mmdino.phantom.layouts.writing import in_turn, write_xlsx

WORDS = {"t1": "1_T1", "t1c": "2_T1GD", "t2": "3_T2", "flair": "4_FLAIR", "seg": "5_MASK"}
HEADER = ["Subject", "IDH", "1p19q", "Grade"]
SAID = {  # IDH, 1p/19q, grade
    "glioblastoma": [(0, -1, 4), (0, 0, 4)],
    "astrocytoma": [(1, 0, 2), (1, 0, 3), (1, 0, 4)],
    "oligodendroglioma": [(1, 1, 2), (1, 1, 3)],
}


def subject(cohort: str, number: int) -> str:
    """Return a patient's id."""
    return f"EGD-{number:04d}"


def place(case: Case, kind: str) -> str:
    """Return where a file of a patient lies."""
    folder = WORDS[kind]
    return f"MR_{case.subject}/{folder}/NIFTI/{folder[2:]}.nii.gz"


def write_tables(root: Path, cases: Sequence[Case]) -> None:
    """Write the labels."""
    rows = [(case.subject, *in_turn(SAID[case.label], number)) for number, case in enumerate(cases)]
    write_xlsx(root / "Genetic_and_Histological_labels.xlsx", HEADER, rows)
