"""The leakage audit on planted duplicates: python benchmarks/leakage.py [patients] [planted] [seed].

Whole-brain phantoms on 5 mm grids. A planted copy is the same patient rendered on another grid (4.2–6 mm, shifted), then
turned (±4°), scaled (±3 %) and moved (±4 mm) with interpolation, given another bias field, gamma, noise, intensity scale
and brain border, and mirrored in half of the cases. Sites and patients differ as in the phantom study.
"""

import json
import resource
import sys
import time

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mmdino.leakage.descriptor import describe
from mmdino.leakage.similarity import similar_pairs
from mmdino.nifti import Volume
from mmdino.phantom.anatomy import ATLAS
from mmdino.phantom.noise import Grid, SmoothNoise
from mmdino.phantom.patient import Patient, Rendering, draw_patient, render
from mmdino.phantom.sites import SITES
from mmdino.tables import SEQUENCES

THRESHOLDS = (6.5, 7.0, 7.5, 8.0)
LOW, HIGH = np.array(ATLAS.origin) - 30, np.array(ATLAS.origin) + np.array(ATLAS.shape) + 30


def grid(spacing: float, offset: tuple[float, ...] = (0, 0, 0)) -> Grid:
    x, y, z = (float(o + d) for o, d in zip(ATLAS.origin, offset))
    nx, ny, nz = (int(n // spacing) + 1 for n in ATLAS.shape)
    return Grid((x, y, z), (spacing, spacing, spacing), (nx, ny, nz))


def scans(patient: Patient) -> dict[str, Volume]:
    rendering, shown = render(patient, grid(5.0)), grid(5.0)
    return {name: Volume(image, shown.affine) for name, image in zip(SEQUENCES, rendering.images)}


def copy(patient: Patient, rng: np.random.Generator) -> dict[str, Volume]:
    spacing = rng.uniform(4.2, 6)
    shown = grid(spacing, tuple(rng.uniform(-spacing / 2, spacing / 2, 3)))
    rendering: Rendering = render(patient, shown)
    turn = Rotation.from_euler("xyz", rng.uniform(-4, 4, 3), degrees=True).as_matrix() * rng.uniform(0.97, 1.03)
    middle = (np.array(shown.shape) - 1) / 2
    shift = middle - turn @ middle + rng.uniform(-4, 4, 3) / spacing

    def moved(volume):
        return ndimage.affine_transform(volume.astype(np.float32), turn, shift, order=1)

    brain = moved(rendering.brain) > 0.5 + 0.15 * SmoothNoise(rng, 25.0, LOW, HIGH)(shown)
    flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
    made = {}
    for name, image in zip(SEQUENCES, rendering.images):
        other = moved(image) ** rng.uniform(0.8, 1.25) * np.exp(0.25 * SmoothNoise(rng, 60.0, LOW, HIGH)(shown))
        other = np.abs(other + rng.normal(0, 0.03, other.shape)) * brain * rng.uniform(50, 2000)
        made[name] = Volume(other[flip].astype(np.float32), shown.affine)
    return made


def main(patients: int = 300, planted: int = 20, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    people = [draw_patient(f"p{number}", "default", list(SITES)[number % 4], seed) for number in range(patients)]
    started = time.process_time()
    crops = [describe(scans(person)) for person in people] + [
        describe(copy(person, rng)) for person in people[:planted]
    ]
    made = time.process_time() - started
    stored = np.array(crops, np.float16)
    del crops
    started = time.process_time()
    pairs = similar_pairs(stored, 4)
    compared = time.process_time() - started
    score = {(pair.first, pair.second): pair.score for pair in pairs}
    true = sorted(score.pop((number, patients + number), 0.0) for number in range(planted))
    false = sorted(score.values(), reverse=True)
    found = {
        "patients": patients,
        "planted": planted,
        "recall": {least: float(np.mean(np.array(true) >= least)) for least in THRESHOLDS},
        "false pairs": {least: int(np.sum(np.array(false) >= least)) for least in THRESHOLDS},
        "lowest true": true[:5],
        "highest false": false[:5],
        "cpu s": {"making and describing": made, "all pairs": compared},
        "peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
