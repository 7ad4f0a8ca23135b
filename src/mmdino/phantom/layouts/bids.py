"""A BIDS data set: raw scans with ``participants.tsv``, segmentations below ``derivatives``."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from mmdino.files import atomic, write_json, write_text
from mmdino.phantom.layouts import Case

WORDS = {"t1": "T1w", "t1c": "ce-gadolinium_T1w", "t2": "T2w", "flair": "FLAIR", "seg": "desc-tumor_dseg"}
MASKS = "derivatives/tumour"


def subject(cohort: str, number: int) -> str:
    """Return a patient's id: letters and digits alone."""
    return f"{re.sub('[^0-9A-Za-z]', '', cohort)}{number:04d}"


def place(case: Case, kind: str) -> str:
    """Return where a file of a patient lies."""
    path = f"sub-{case.subject}/ses-preop/anat/sub-{case.subject}_ses-preop_{WORDS[kind]}.nii.gz"
    return f"{MASKS}/{path}" if kind == "seg" else path


def write_tables(root: Path, cases: Sequence[Case]) -> None:
    """Write the participants and what makes the folder a BIDS data set."""
    with atomic(root / "participants.tsv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        rows = [(f"sub-{case.subject}", case.site, case.label) for case in cases]
        csv.writer(opened, delimiter="\t", lineterminator="\n").writerows([("participant_id", "site", "label"), *rows])
    description = {"Name": "Phantom gliomas", "BIDSVersion": "1.10.0"}
    write_json(root / "dataset_description.json", {**description, "DatasetType": "raw"})
    write_text(root / "README", "Synthetic patients, made by `mmdino phantom`.\n")
    if (root / MASKS).exists():
        made = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "mmdino phantom"}]}
        write_json(root / MASKS / "dataset_description.json", {**description, **made})
