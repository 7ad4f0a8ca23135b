"""TCGA-GBM and -LGG: two collections by histology, and Ceccarelli 2016's Excel table with a title above its header."""

from collections.abc import Sequence
from pathlib import Path

from mmdino.phantom.layouts import Case
from mmdino.phantom.layouts.writing import cells, in_turn, write_xlsx

TABLE, SHEET, TITLE = "mmc2.xlsx", "S1A. TCGA discovery dataset", "Table S1A. Clinical data"
SITES = ("02", "06", "DU", "HT")  # where the tissue came from
DAY = "1996.08.23"
WORDS = {"t1": "t1", "t1c": "t1Gd", "t2": "t2", "flair": "flair", "seg": "GlistrBoost_ManuallyCorrected"}
MARKERS = ("Grade", "IDH status", "1p/19q codeletion", "IDH/codel subtype")
HEADER = [
    *("Case", "Study", "Histology", *MARKERS),
    *("TERT promoter status", "Chr 7 gain/Chr 10 loss", "ATRX status"),
]
SAID = {
    "glioblastoma": [("G4", "WT", "non-codel", "IDHwt"), ("G4", "WT", "NA", "IDHwt")],
    "astrocytoma": [("G2", "Mutant", "non-codel", "IDHmut-non-codel"), ("G3", "NA", "NA", "IDHmut-non-codel")],
    "oligodendroglioma": [("G2", "Mutant", "codel", "IDHmut-codel"), ("G3", "Mutant", "codel", "IDHmut-codel")],
}


def subject(cohort: str, number: int) -> str:
    """Return a patient's id."""
    return f"TCGA-{in_turn(SITES, number)}-{number:04d}"


def place(case: Case, kind: str) -> str:
    """Return where a file of a patient lies."""
    folder = f"Pre-operative_TCGA_{_collection(case)}_NIfTI_and_Segmentations/{case.subject}"
    return f"{folder}/{case.subject}_{DAY}_{WORDS[kind]}.nii.gz"


def write_tables(root: Path, cases: Sequence[Case]) -> None:
    """Write the clinical table."""
    rows = []
    for number, case in enumerate(cases):
        told = {"Case": case.subject, "Study": _collection(case), "Histology": case.label}
        told |= dict(zip(MARKERS, in_turn(SAID[case.label], number)))
        rows.append(cells(HEADER, told, blank="NA"))
    write_xlsx(root / TABLE, HEADER, rows, SHEET, TITLE)


def _collection(case: Case) -> str:
    return "GBM" if case.label == "glioblastoma" else "LGG"
