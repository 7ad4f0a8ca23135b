"""REMBRANDT as processed by CBICA: ``HF1001_1999.08.05/HF1001_1999.08.05_t1ce_LPS_rSRI.nii.gz``. No table and no labels."""

from collections.abc import Sequence
from pathlib import Path

from mmdino.phantom.layouts import Case

WORDS = {
    **{"t1": "t1_LPS_rSRI", "t1c": "t1ce_LPS_rSRI", "t2": "t2_LPS_rSRI", "flair": "flair_LPS_rSRI"},
    "seg": "GlistrBoost_out",
}


def subject(cohort: str, number: int) -> str:
    """Return a patient's id."""
    return f"HF{1000 + number}"


def place(case: Case, kind: str) -> str:
    """Return where a file of a patient lies."""
    scan = f"{case.subject}_1999.08.05"
    return f"{scan}/{scan}_{WORDS[kind]}.nii.gz"


def write_tables(root: Path, cases: Sequence[Case]) -> None:
    """Write nothing: the archive has scans alone."""
