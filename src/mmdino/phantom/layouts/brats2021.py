"""BraTS 2021: ``BraTS2021_00001/BraTS2021_00001_t1ce.nii.gz``, and the crosswalk, in which the phantoms are new. No labels."""

from collections.abc import Sequence
from pathlib import Path

from mmdino.phantom.layouts import Case
from mmdino.phantom.layouts.writing import cells, write_xlsx

TABLE, COLLECTION, IDENTITY = (
    "BraTS2021_MappingToTCIA.xlsx",
    "Data Collection (as on TCIA+additional)",
    "PatientID on TCIA Radiology Portal",
)
HEADER = [
    *(COLLECTION, "Site ID", IDENTITY, "Study date (m/d/yyyy) per PatientID", "BraTS2021 ID"),
    *("Segmentation (Task 1) Cohort", "MGMT (Task 2) Cohort", "MGMT value"),
]
UNKNOWN = "new-not-previously-in-TCIA"


def subject(cohort: str, number: int) -> str:
    """Return a patient's id."""
    return f"BraTS2021_{number:05d}"


def place(case: Case, kind: str) -> str:
    """Return where a file of a patient lies."""
    return f"{case.subject}/{case.subject}_{'t1ce' if kind == 't1c' else kind}.nii.gz"


def write_tables(root: Path, cases: Sequence[Case]) -> None:
    """Write the crosswalk."""
    told = {COLLECTION: "new", IDENTITY: UNKNOWN, "Segmentation (Task 1) Cohort": "Training"}
    write_xlsx(root / TABLE, HEADER, [cells(HEADER, {"BraTS2021 ID": case.subject, **told}) for case in cases])
