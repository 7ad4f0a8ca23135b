"""UCSF-PDGM, version 5: ``UCSF-PDGM-v5/UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_T1c.nii.gz``; the table's ids have three digits."""

from collections.abc import Sequence
from pathlib import Path

from mmdino.cohorts.ucsf_pdgm import RENUMBERED
from mmdino.phantom.layouts import Case
from mmdino.phantom.layouts.writing import cells, in_turn, write_csv

TOP, FIRST = "UCSF-PDGM-v5", 4
WORDS = {"t1": "T1", "t1c": "T1c", "t2": "T2", "flair": "FLAIR", "seg": "tumor_segmentation"}
GRADE, DIAGNOSIS, CODELETION, IDH = "WHO CNS Grade", "Final pathologic diagnosis (WHO 2021)", "1p/19q", "IDH"
HEADER = [
    *("ID", "Sex", "Age at MRI", GRADE, DIAGNOSIS, "MGMT status", "MGMT index", CODELETION, IDH),
    *("1-dead 0-alive", "OS", "EOR", "Biopsy prior to imaging"),
    *("BraTS21 ID", "BraTS21 Segmentation Cohort", "BraTS21 MGMT Cohort"),
]
SAID = {  # grade, diagnosis, 1p/19q, IDH
    "glioblastoma": [
        ("4", "Glioblastoma, IDH-wildtype", "unknown", "wildtype"),
        ("4", "Glioblastoma, IDH-wildtype", "intact", "wildtype"),
    ],
    "astrocytoma": [
        ("2", "Astrocytoma, IDH-mutant", "intact", "IDH1 p.R132H"),
        ("3", "Astrocytoma, IDH-mutant", "intact", "mutated (NOS)"),
        ("4", "Astrocytoma, IDH-mutant", "unknown", "IDH1 p.Arg132His"),
    ],
    "oligodendroglioma": [
        ("2", "Oligodendroglioma, IDH-mutant, 1p/19q-codeleted", "co-deletion", "IDH1 p.R132H"),
        ("3", "Oligodendroglioma, IDH-mutant, 1p/19q-codeleted", "Co-deletion", "IDH2 p.R172K"),
    ],
}


def subject(cohort: str, number: int) -> str:
    """Return a patient's id; numbers that version 3 gave to others are left out, as there."""
    found = number + FIRST - 1
    for old in sorted(RENUMBERED):
        found += found >= old
    return f"UCSF-PDGM-{found:04d}"


def place(case: Case, kind: str) -> str:
    """Return where a file of a patient lies."""
    return f"{TOP}/{case.subject}_nifti/{case.subject}_{WORDS[kind]}.nii.gz"


def write_tables(root: Path, cases: Sequence[Case]) -> None:
    """Write the metadata."""
    rows = []
    for number, case in enumerate(cases):
        told = dict(zip((GRADE, DIAGNOSIS, CODELETION, IDH), in_turn(SAID[case.label], number)))
        rows.append(cells(HEADER, {"ID": f"UCSF-PDGM-{int(case.subject[-4:]):03d}", **told}))
    write_csv(root / TOP / "UCSF-PDGM-metadata_v5.csv", HEADER, rows)
