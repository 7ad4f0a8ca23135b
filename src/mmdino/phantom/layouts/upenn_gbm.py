"""UPENN-GBM: ``images_structural/UPENN-GBM-00001_11/…``; the clinical table tells IDH alone, so that mutants have no label."""

from collections.abc import Sequence
from pathlib import Path

from mmdino.phantom.layouts import Case
from mmdino.phantom.layouts.writing import cells, write_csv

WORDS = {"t1": "T1", "t1c": "T1GD", "t2": "T2", "flair": "FLAIR"}
HEADER = [
    *("ID", "Gender", "Age_at_scan_years", "Survival_from_surgery_days_UPDATED", "Survival_Status", "Survival_Censor"),
    *("IDH1", "MGMT", "KPS", "GTR_over90percent", "Time_since_baseline_preop", "PsP_TP_score"),
]


def subject(cohort: str, number: int) -> str:
    """Return a patient's id."""
    return f"UPENN-GBM-{number:05d}"


def place(case: Case, kind: str) -> str:
    """Return where a file of a patient's pre-operative scan lies."""
    scan = f"{case.subject}_11"
    return (
        f"images_segm/{scan}_segm.nii.gz" if kind == "seg" else f"images_structural/{scan}/{scan}_{WORDS[kind]}.nii.gz"
    )


def write_tables(root: Path, cases: Sequence[Case]) -> None:
    """Write the clinical table, a row a scan."""
    rows = []
    for case in cases:
        told = {"ID": f"{case.subject}_11", "IDH1": "Wildtype" if case.label == "glioblastoma" else "Mutated"}
        rows.append(cells(HEADER, {**told, "Time_since_baseline_preop": "0"}, blank="Not Available"))
    write_csv(root / "UPENN-GBM_clinical_info_v2.1.csv", HEADER, rows)
