"""Preprocess native phantoms and hold the result against their truth: the numbers of docs/benchmarks-preprocessing.md.

    python benchmarks/preprocessing.py OUT [--patients 6]

It makes its own phantoms (two sites a variant, seeds of no study), runs the chain on them in one process, and prints a
table. A second start with the same OUT only measures again what is missing.
"""

import argparse
import resource
from pathlib import Path

import numpy as np
import pandas as pd

from mmdino.config import Cohort, Preprocess
from mmdino.config.phantom import PhantomCohort
from mmdino.files import read_json
from mmdino.nifti import Volume, read_labels
from mmdino.phantom.anatomy import ATLAS, load_anatomy, sample
from mmdino.phantom.cohort import write_cohort
from mmdino.phantom.lesion import Lesion
from mmdino.phantom.noise import Grid
from mmdino.phantom.patient import Patient, _deformed, draw_patient
from mmdino.preprocess.registration import Pull, read_pull, resample_labels
from mmdino.preprocess.shard import run_shard
from mmdino.tables import MANIFEST, SEQUENCES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--patients", type=int, default=3, help="a site; site-a and the external one are made")
    given = parser.parse_args()
    patients = []
    for site in ("site-a", "external"):
        name = f"bench-{site.removeprefix('site-')}"
        raw, truth = given.out / "raw" / name, given.out / "truth"
        made = PhantomCohort(site=site, patients=given.patients, seed=20_001)
        write_cohort(name, made, "native", raw, truth)
        cohort = Cohort(stage="native", phantom=made)
        table = run_shard(name, cohort, Preprocess(), manifest(name, raw), given.out / "derivatives" / name)
        for row in table.itertuples():
            patient = draw_patient(row.subject, made.variant, made.site, made.seed, name)
            patients.append(measure(row, truth / name / row.subject, patient))
    frame = pd.DataFrame(patients)
    print(frame.round(3).T.to_string(header=False))
    numbers = frame.drop(columns="subject").astype(float)
    print("\nmedian\n", numbers.median().round(3).to_string(), "\nworst (smallest, largest)")
    print(pd.DataFrame({"min": numbers.min(), "max": numbers.max()}).round(3).to_string())
    print(
        f"\npeak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB (made phantoms included)"
    )


def manifest(cohort: str, raw: Path) -> pd.DataFrame:
    rows = []
    for folder in sorted(path for path in raw.iterdir() if path.is_dir()):
        row = dict.fromkeys(MANIFEST.columns, "") | {"subject": folder.name, "patient": folder.name, "cohort": cohort}
        rows.append(row | {name: str(folder / f"{folder.name}_{name}.nii.gz") for name in SEQUENCES})
    return pd.DataFrame(rows)


def measure(row, truth: Path, patient: Patient) -> dict:
    """Return one patient's seconds by step, Dice of brain and tumour, and registration errors in mm."""
    if row.status != "done":
        return {"subject": row.subject, "failed": row.reason}
    mask, found = read_labels(row.mask), read_labels(row.seg)
    pulls = {path.name.split("_from-")[1].split("_")[0]: read_pull(path) for path in Path(row.transforms).iterdir()}
    tumour = resample_labels(read_labels(truth / "seg.nii.gz"), mask, pulls["t1c"]).array
    steps = read_json(next(Path(row.mask).parents[3].glob(f"records/{Path(row.mask).parts[-4]}_*.json")))["steps"]
    return {
        "subject": row.subject,
        "CPU s": row.seconds,
        **{f"{name}, s": seconds for name, seconds in steps.items()},
        "tumour Dice": dice(found.array > 0, tumour > 0),
        **{f"label {label} Dice": dice(found.array == label, tumour == label) for label in (1, 2, 3)},
        **against_truth(mask, pulls, truth, patient),
    }


def against_truth(mask: Volume, pulls: dict[str, Pull], truth: Path, patient: Patient) -> dict[str, float]:
    """Return a brain mask's Dice (on the atlas's grid) and the pulls' errors in mm, held against the phantom's truth."""
    to_atlas = read_json(truth / "to_atlas.json")
    brain = resample_labels(read_labels(truth / "brain.nii.gz"), mask, pulls["t1c"]).array
    places = np.argwhere(brain)[::997] @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    places = np.c_[places, np.ones(len(places))]
    best = np.linalg.inv(to_atlas["t1c"]) @ rigid_part(patient)
    errors = {"t1c to atlas, mm": apart(places @ pulls["t1c"].T, places @ best.T)}
    for name, pull in pulls.items():
        true = np.linalg.inv(to_atlas[name])
        if name != "t1c":  # where a point of t1c is looked for in the other sequence
            found_move, true_move = pull @ np.linalg.inv(pulls["t1c"]), true @ np.array(to_atlas["t1c"])
            inside = places @ pulls["t1c"].T
            errors[f"{name} to t1c, mm"] = apart(inside @ found_move.T, inside @ true_move.T)
    return {"brain Dice": dice(mask.array > 0, brain > 0), **errors}


def rigid_part(patient: Patient) -> np.ndarray:
    """Return the rigid movement (atlas to patient) nearest to the patient's own deformation.

    A phantom's brain is not the atlas's but a deformed one, with a tumour that pushes: no rigid registration can undo
    that, and the best one is the least-squares fit over the brain, which is what ours is held against.
    """
    coarse = Grid(ATLAS.origin, (6.0, 6.0, 6.0), tuple(-(-n // 6) for n in ATLAS.shape))
    healthy = np.stack([np.broadcast_to(h, coarse.shape) for h in _deformed(patient, coarse, Lesion.draw(patient))], -1)
    here = np.stack(np.broadcast_arrays(*coarse.points()), -1)
    brain = sample(load_anatomy().distance, list(np.moveaxis(healthy, -1, 0)), outside=60.0) < 0
    a, p = healthy[brain].astype(float), here[brain].astype(float)
    left, _, right = np.linalg.svd((p - p.mean(0)).T @ (a - a.mean(0)))
    turn = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    movement = np.eye(4)
    movement[:3, :3], movement[:3, 3] = turn, p.mean(0) - turn @ a.mean(0)
    return movement


def apart(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.median(np.linalg.norm((a - b)[:, :3], axis=1)))


def dice(a: np.ndarray, b: np.ndarray) -> float:
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else float("nan")


if __name__ == "__main__":
    main()
