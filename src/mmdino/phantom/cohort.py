"""Write a phantom cohort as a downloaded one would lie on disk, and its truth beside the study."""

from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from mmdino.config.study import PhantomCohort
from mmdino.files import atomic, write_json
from mmdino.nifti import write_volume
from mmdino.phantom.anatomy import ATLAS
from mmdino.phantom.native import HEAD_GRID, resample, scan_session
from mmdino.phantom.noise import Grid
from mmdino.phantom.patient import Patient, draw_patient, render, slab_grid
from mmdino.phantom.signs import as_row
from mmdino.phantom.sites import TRAINING_SITES
from mmdino.tables import SEQUENCES, TRUTH, write_table

DAMAGED, NO_SEQUENCE = 0, 1  # which native patients carry a fault


def write_cohort(name: str, cohort: PhantomCohort, stage: str, raw: Path, truth: Path) -> None:
    """Write patients to ``raw`` and their truth to ``truth/<name>.parquet``; patients already there are kept.

    ``raw/labels.tsv`` (subject, site, label) is written last: when it exists, the cohort is whole.
    """
    patients = [
        draw_patient(f"{name}-{number:04d}", cohort.variant, cohort.site, cohort.seed, name)
        for number in range(1, cohort.patients + 1)
    ]
    for number, patient in enumerate(tqdm(patients, desc=name, unit="patient", disable=None)):
        folder = raw / patient.subject
        if (folder / f"{patient.subject}_t1c.nii.gz").exists():
            continue  # t1c is written last
        if stage == "native":
            _write_native(patient, folder, truth / name / patient.subject)
            if cohort.faults:
                _spoil(number, folder / f"{patient.subject}_flair.nii.gz", folder / f"{patient.subject}_t2.nii.gz")
        else:
            _write_stripped(patient, folder, slab_grid(patient, cohort.planes))
    rows = [
        {
            "subject": patient.subject,
            "cohort": name,
            "site": patient.site,
            "label": patient.label,
            **as_row(patient.signs),
            "folder": str(truth / name / patient.subject) if stage == "native" else "",
        }
        for patient in patients
    ]
    write_table(TRUTH, pd.DataFrame(rows), truth / f"{name}.parquet")
    with atomic(raw / "labels.tsv") as temporary:
        pd.DataFrame(rows)[["subject", "site", "label"]].to_csv(temporary, sep="\t", index=False)


def write_brains(folder: Path, patients: int) -> None:
    """Write stripped whole brains on the atlas's grid, of no study: what the segmenter is trained on."""
    for number in tqdm(range(patients), desc="brains", unit="patient", disable=None):
        patient = draw_patient(f"brain-{number:03d}", "default", TRAINING_SITES[number % 3], "segmenter")
        _write_stripped(patient, folder / patient.subject, ATLAS)


def _write_stripped(patient: Patient, folder: Path, grid: Grid) -> None:
    rendering = render(patient, grid)
    level = patient.generator("level").uniform(500, 1200, len(SEQUENCES))
    write_volume(rendering.seg, grid.affine, folder / f"{patient.subject}_seg.nii.gz")
    for i in _t1c_last():
        image = np.rint(rendering.images[i] * level[i]).clip(0, 32767).astype(np.int16)
        write_volume(image, grid.affine, folder / f"{patient.subject}_{SEQUENCES[i]}.nii.gz")


def _write_native(patient: Patient, folder: Path, truth: Path) -> None:
    rendering = render(patient, HEAD_GRID, head=True)
    scans = scan_session(patient, rendering)
    t1c = scans["t1c"]
    brain = resample(rendering.brain.astype(np.float32), t1c.affine, t1c.image.shape, t1c.to_atlas) > 0.5
    write_volume(brain.astype(np.uint8), t1c.affine, truth / "brain.nii.gz")
    tumour = resample(rendering.seg.astype(np.float32), t1c.affine, t1c.image.shape, t1c.to_atlas, order=0)
    write_volume(tumour.astype(np.uint8), t1c.affine, truth / "seg.nii.gz")
    write_json(truth / "to_atlas.json", {name: scan.to_atlas.tolist() for name, scan in scans.items()})
    for i in _t1c_last():
        scan = scans[SEQUENCES[i]]
        write_volume(scan.image, scan.affine, folder / f"{patient.subject}_{SEQUENCES[i]}.nii.gz")


def _t1c_last() -> list[int]:
    return sorted(range(len(SEQUENCES)), key=lambda i: SEQUENCES[i] == "t1c")


def _spoil(number: int, flair: Path, t2: Path) -> None:
    """Give the faults that real cohorts have: one patient without FLAIR, one whose T2 broke off while downloading."""
    if number == NO_SEQUENCE:
        flair.unlink()
    if number == DAMAGED:
        with open(t2, "r+b") as opened:
            opened.truncate(t2.stat().st_size // 2)
