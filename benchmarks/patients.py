"""Patients for the benchmarks: phantom slabs, brought to a slice bank by the study's own steps."""

from pathlib import Path

import pandas as pd

from mmdino.cohorts import build_manifest
from mmdino.config import Bank, Cohort, Splits, Study
from mmdino.config.phantom import PhantomCohort
from mmdino.dataset.bank import SliceBank
from mmdino.dataset.build import build_bank
from mmdino.dataset.patients import Patients
from mmdino.dataset.splits import make_splits
from mmdino.phantom.cohort import write_cohort
from mmdino.tables import PREPROCESSED, SEQUENCES, conform

COHORT = "bench"


def phantoms(folder: Path, patients: int) -> Patients:
    """Return ``patients`` phantoms, of whom 20 % validate; what is in ``folder`` already is used again."""
    made = PhantomCohort(site="site-a", patients=patients, seed=20_003)
    cohort = Cohort(stage="stripped", phantom=made)
    study = Study(
        name=COHORT, title=COHORT, cohorts={COHORT: cohort}, splits=Splits(), bank=Bank(axes=[2]), experiments=["none"]
    )
    write_cohort(COHORT, made, cohort.stage, folder / "raw", folder / "truth")
    manifest = build_manifest(COHORT, cohort, folder / "raw")
    ready = stripped(manifest)
    build_bank(ready, study.bank, folder / "slices")
    return Patients(SliceBank.open([folder / "slices"]), make_splits(study, manifest, ready))


def stripped(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the preprocessed table of patients that need no preprocessing."""
    ready = manifest[["subject", "session", "cohort", *SEQUENCES, "seg"]].assign(
        stage="stripped", seg_source="cohort", status="done", seconds=0.0, brain_ml=0.0
    )
    return conform(PREPROCESSED, ready.reindex(columns=list(PREPROCESSED.columns), fill_value=""), COHORT)
