"""Tiny cohorts for tests: real NIfTI files with a class signal planted in one sequence, through the real readers."""

from pathlib import Path

import numpy as np
import pandas as pd

from mmdino.cohorts import build_manifest
from mmdino.config import Bank, Cohort, Splits, Study, Volumes
from mmdino.dataset.bank import SliceBank
from mmdino.dataset.build import build_bank
from mmdino.dataset.patients import Patients
from mmdino.dataset.splits import make_splits
from mmdino.nifti import write_volume
from mmdino.tables import CLASSES, PREPROCESSED, SEQUENCES, conform

AFFINE = np.diag([1.0, 1.0, 4.0, 1.0])


def write_patient(
    folder: Path, label: str, generator: np.random.Generator, signal: str = "t1c", side: int = 64, planes: int = 3
) -> None:
    """Write a slab of noise with a round tumour, in ``signal`` dark, a bright ring or bright by class."""
    rows, columns = np.mgrid[:side, :side] - (side / 2 + generator.uniform(-side / 8, side / 8, 2))[:, None, None]
    radius = np.hypot(rows, columns) / generator.uniform(side / 7, side / 5)
    tumour = radius < 1
    for name in SEQUENCES:
        image = 100 + generator.normal(0, 8, (side, side, planes))
        image[tumour] += 30
        if name == signal:
            bright = {CLASSES[0]: radius < 0, CLASSES[1]: (radius > 0.6) & tumour, CLASSES[2]: tumour}[label]
            image[tumour] -= 60
            image[bright] += 120
        write_volume(image.clip(0).astype(np.int16), AFFINE, folder / f"{folder.name}_{name}.nii.gz")
    mask = np.where(radius < 0.5, 1, 2)[..., None] * tumour[..., None] * np.ones(planes, np.int16)
    write_volume(mask.astype(np.uint8), AFFINE, folder / f"{folder.name}_seg.nii.gz")


def write_cohort(root: Path, patients: int, seed: int = 0, prefix: str = "p", **options: object) -> Path:
    """Write a cohort in the ``folder`` layout; classes come in turn."""
    generator = np.random.default_rng(seed)
    lines = ["subject\tsite\tlabel"]
    for number in range(patients):
        subject, label = f"{prefix}{number:03d}", CLASSES[number % len(CLASSES)]
        write_patient(root / subject, label, generator, **options)  # type: ignore[arg-type]
        lines.append(f"{subject}\tsite-a\t{label}")
    (root / "labels.tsv").write_text("\n".join(lines) + "\n")
    return root


def as_preprocessed(manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the preprocessed table of patients that lie in atlas space already."""
    paths = manifest[["subject", "session", "cohort", *SEQUENCES, "seg"]]
    done = paths.assign(stage="stripped", seg_source="cohort", status="done", seconds=0.0, brain_ml=0.0)
    return conform(PREPROCESSED, done.reindex(columns=list(PREPROCESSED.columns), fill_value=""), "preprocessed")


def tiny_study(
    folder: Path,
    patients: int = 24,
    test_patients: int = 6,
    crop: int = 48,
    axes: tuple[int, ...] = (2,),
    labelled_fraction: float = 1.0,
    seed: int = 0,
    volumes: Volumes | None = None,
    **options: object,
) -> Patients:
    """Return patients of a training and a test cohort, written to ``folder`` and read back by the real code.

    With ``volumes`` they come from volume banks.
    """
    study = Study(
        name="tiny",
        title="Tiny",
        cohorts={
            "home": Cohort(stage="stripped", path="home"),
            "away": Cohort(stage="stripped", path="away", role="test"),
        },
        splits=Splits(labelled_fraction=labelled_fraction, seed=seed),
        bank=Bank(axes=list(axes), crop=crop, min_tumour_voxels=50),
        experiments=["none"],
    )
    manifests, tables, banks = [], [], []
    for name, count in {"home": patients, "away": test_patients}.items():
        root = write_cohort(folder / name, count, seed=seed + len(banks), prefix=name, **options)
        manifests.append(build_manifest(name, study.cohorts[name], root))
        tables.append(as_preprocessed(manifests[-1]))
        banks.append(folder / "slices" / name)
        build_bank(tables[-1], volumes or study.bank, banks[-1])
    splits = make_splits(study, pd.concat(manifests), pd.concat(tables))
    return Patients(SliceBank.open(banks), splits)
