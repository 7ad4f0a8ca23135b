"""The plain layout: ``<cohort>-0001/<cohort>-0001_t1c.nii.gz`` and ``labels.tsv``."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mmdino.files import atomic
from mmdino.phantom.layouts import Case


def subject(cohort: str, number: int) -> str:
    """Return a patient's id."""
    return f"{cohort}-{number:04d}"


def place(case: Case, kind: str) -> str:
    """Return where a file of a patient lies."""
    return f"{case.subject}/{case.subject}_{kind}.nii.gz"


def write_tables(root: Path, cases: Sequence[Case]) -> None:
    """Write ``labels.tsv``."""
    rows = [{"subject": case.subject, "site": case.site, "label": case.label} for case in cases]
    with atomic(root / "labels.tsv") as temporary:
        pd.DataFrame(rows).to_csv(temporary, sep="\t", index=False)
