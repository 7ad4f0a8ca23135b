"""Write a phantom cohort as a downloaded one would lie on disk, and its truth beside the study."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from mmdino.config.phantom import PhantomCohort
from mmdino.errors import UserError
from mmdino.files import read_json, remove, remove_below, write_json
from mmdino.nifti import write_volume
from mmdino.phantom.layouts import Case, load_layout
from mmdino.phantom.native import HEAD_GRID, resample, scan_session
from mmdino.phantom.noise import Grid
from mmdino.phantom.patient import Patient, draw_patient, render, slab_grid
from mmdino.phantom.signs import as_row
from mmdino.tables import SEQUENCES, TRUTH, write_table

DAMAGED, NO_SEQUENCE = 0, 1  # which native patients carry a fault
Files = dict[str, Path]  # by sequence, or ``seg``
Settings = dict[str, Any]  # of a cohort, with its stage, as ``truth/<name>.json`` keeps them


def write_cohort(name: str, cohort: PhantomCohort, stage: str, raw: Path, truth: Path) -> None:
    """Write patients to ``raw`` in the cohort's layout, and their truth to ``truth/<name>.parquet``.

    Patients already there are kept, unless they were made by other settings; files of which these settings name none
    (of more patients, or segmentations of the stripped) are deleted. The truth is written last: when it exists, the
    cohort is whole. It calls patients as the layout's adapter does; who they are depends on the cohort's name and their
    number alone.

    Raises:
        UserError: ``raw`` holds these patients in another layout.
    """
    layout = load_layout(cohort.layout)
    patients, cases = _draw(name, cohort)
    places = _places(cases, cohort, stage, raw)
    settings = {"stage": stage, **cohort.model_dump(mode="json")}
    record = truth / f"{name}.json"
    _refuse_other_layout(record, cohort.layout, raw)
    _forget_others(name, record, settings, places, raw)
    pairs = list(zip(patients, cases))
    for number, (patient, case) in enumerate(tqdm(pairs, desc=name, unit="patient", disable=None)):
        files = places[number]
        if files["t1c"].exists():
            continue  # t1c is written last
        if stage == "native":
            _write_native(patient, files, truth / name / case.subject)
            if cohort.faults:
                _spoil(number, files["flair"], files["t2"])
        else:
            _write_stripped(patient, files, slab_grid(patient, cohort.planes))
    layout.write_tables(raw, cases)
    rows = [
        {
            "subject": case.subject,
            "cohort": name,
            "site": case.site,
            "label": case.label,
            **as_row(patient.signs),
            "folder": str(truth / name / case.subject) if stage == "native" else "",
        }
        for patient, case in pairs
    ]
    write_table(TRUTH, pd.DataFrame(rows), truth / f"{name}.parquet")


def _draw(name: str, cohort: PhantomCohort) -> tuple[list[Patient], list[Case]]:
    """Return a cohort's patients, and the same as cases of its layout."""
    layout, numbers = load_layout(cohort.layout), range(1, cohort.patients + 1)
    patients = [
        draw_patient(f"{name}-{number:04d}", cohort.variant, cohort.site, cohort.seed, name) for number in numbers
    ]
    return patients, [
        Case(layout.subject(name, number), patient.label, patient.site) for number, patient in zip(numbers, patients)
    ]


def _places(cases: list[Case], cohort: PhantomCohort, stage: str, raw: Path) -> list[Files]:
    """Return where each patient's files lie, by kind; whole heads have no segmentation."""
    layout, kinds = load_layout(cohort.layout), SEQUENCES if stage == "native" else (*SEQUENCES, "seg")
    return [{kind: raw / layout.place(case, kind) for kind in kinds} for case in cases]


def _refuse_other_layout(record: Path, layout: str, raw: Path) -> None:
    """Refuse a folder whose patients lie in another layout: they would stay beside the new ones."""
    made = read_json(record).get("layout", "folder") if record.exists() else layout
    if made != layout and raw.exists():
        raise UserError(f"{raw}: holds phantoms in the layout {made}, not {layout}; delete that folder and start again")


def _forget_others(name: str, record: Path, settings: Settings, places: list[Files], raw: Path) -> None:
    """Delete files that the record's settings name and these do not, and have patients of other settings made anew."""
    if record.exists():
        # Records from before the number was kept tell none: of them it is taken for the same.
        before: Settings = {"patients": settings["patients"], **read_json(record)}
        kept = {path for files in places for path in files.values()}
        for path in _files_of(name, before, raw) - kept:
            remove_below(raw, path)
        if before | {"patients": settings["patients"]} != settings:
            for files in places:
                remove(files["t1c"])  # is written last
    write_json(record, settings)


def _files_of(name: str, settings: Settings, raw: Path) -> set[Path]:
    """Return the scans of a cohort that was made by recorded settings."""
    cohort = PhantomCohort(**{key: value for key, value in settings.items() if key != "stage"})
    _, cases = _draw(name, cohort)
    return {path for files in _places(cases, cohort, settings["stage"], raw) for path in files.values()}


def _write_stripped(patient: Patient, files: Mapping[str, Path], grid: Grid) -> None:
    rendering = render(patient, grid)
    level = patient.generator("level").uniform(500, 1200, len(SEQUENCES))
    write_volume(rendering.seg, grid.affine, files["seg"])
    for i in _t1c_last():
        image = np.rint(rendering.images[i] * level[i]).clip(0, 32767).astype(np.int16)
        write_volume(image, grid.affine, files[SEQUENCES[i]])


def _write_native(patient: Patient, files: Mapping[str, Path], truth: Path) -> None:
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
        write_volume(scan.image, scan.affine, files[SEQUENCES[i]])


def _t1c_last() -> list[int]:
    return sorted(range(len(SEQUENCES)), key=lambda i: SEQUENCES[i] == "t1c")


def _spoil(number: int, flair: Path, t2: Path) -> None:
    """Give the faults that real cohorts have: one patient without FLAIR, one whose T2 broke off while downloading."""
    if number == NO_SEQUENCE:
        flair.unlink()
    if number == DAMAGED:
        with open(t2, "r+b") as opened:
            opened.truncate(t2.stat().st_size // 2)
