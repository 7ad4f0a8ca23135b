"""The leakage audit on planted duplicates: python benchmarks/leakage.py [patients] [of a kind] [seed].

Whole-brain phantoms on 5 mm grids, and among them, for some patients each, one of the copies of ``KINDS``: what one harm
does alone, what all do together on finer and coarser grids, and a second session. Sites and patients differ as in the
phantom study. The thresholds of ``config/preparation.py`` were chosen on seed 0.
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mmdino.config import Leakage
from mmdino.leakage.audit import is_one
from mmdino.leakage.descriptor import describe
from mmdino.leakage.similarity import Pair, similar_pairs
from mmdino.nifti import Volume
from mmdino.phantom.anatomy import ATLAS
from mmdino.phantom.noise import Grid, SmoothNoise
from mmdino.phantom.patient import Patient, draw_patient, render
from mmdino.phantom.sites import SITES
from mmdino.tables import SEQUENCES

SETTINGS = Leakage()
LOW, HIGH = np.array(ATLAS.origin) - 30, np.array(ATLAS.origin) + np.array(ATLAS.shape) + 30


@dataclass(frozen=True)
class Copy:
    """What happens to a copy.

    Attributes:
        spacing: of its grid in mm; drawn between the two.
        moved: turned (±4° about each axis), scaled (±3 %) and moved (±4 mm), with interpolation.
        grey: another bias field, gamma, noise and intensity scale.
        strip: another brain border (some millimetres in or out).
        mirrored: how often left and right are exchanged.
        growth: another session on another scanner, with another contrast and noise, the tumour so much wider.
        treated: in that session the tumour shows other signs (oedema, enhancement, mass effect).
    """

    spacing: tuple[float, float] = (5.0, 5.0)
    moved: bool = True
    grey: bool = True
    strip: bool = True
    mirrored: float = 0.5
    growth: tuple[float, float] | None = None
    treated: bool = False


FINE = (1.0, 1.0)  # takes 17 CPU s a copy, so that a quarter as many are planted
ALONE = {"moved": False, "grey": False, "strip": False, "mirrored": 0.0}
KINDS = {
    "registered anew": Copy(**{**ALONE, "moved": True}),
    "intensities": Copy(**{**ALONE, "grey": True}),
    "another skull-strip": Copy(**{**ALONE, "strip": True}),
    "mirrored": Copy(**{**ALONE, "mirrored": 1.0}),
    "2 mm": Copy((2.0, 2.0), **ALONE),
    "all, 1 mm": Copy(FINE),
    "all, 2 mm": Copy((2.0, 2.0)),
    "all, 4.2–6 mm": Copy((4.2, 6.0)),
    "a later session": Copy((2.0, 2.0), grey=False, mirrored=0.0, growth=(1.1, 1.3)),
    "another tumour by then": Copy((2.0, 2.0), grey=False, mirrored=0.0, growth=(1.2, 1.5), treated=True),
}


class Later(Patient):
    """The same head in another session: what belongs to the scan and not to the head is drawn anew."""

    def generator(self, *what: object) -> np.random.Generator:
        return super().generator(*what, *(["later"] if what[0] in ("contrast", "scan") else []))


def grid(spacing: float, offset: tuple[float, ...] = (0, 0, 0)) -> Grid:
    x, y, z = (float(o + d) for o, d in zip(ATLAS.origin, offset))
    nx, ny, nz = (int(n // spacing) + 1 for n in ATLAS.shape)
    return Grid((x, y, z), (spacing, spacing, spacing), (nx, ny, nz))


def scans(patient: Patient) -> dict[str, Volume]:
    rendering, shown = render(patient, grid(5.0)), grid(5.0)
    return {name: Volume(image, shown.affine) for name, image in zip(SEQUENCES, rendering.images)}


def copy(patient: Patient, rng: np.random.Generator, how: Copy = KINDS["all, 4.2–6 mm"]) -> dict[str, Volume]:
    spacing = rng.uniform(*how.spacing)
    shown = grid(spacing, tuple(rng.uniform(-spacing / 2, spacing / 2, 3)))
    rendering = render(later(patient, rng, how) if how.growth else patient, shown)
    turn = Rotation.from_euler("xyz", rng.uniform(-4, 4, 3), degrees=True).as_matrix() * rng.uniform(0.97, 1.03)
    middle = (np.array(shown.shape) - 1) / 2
    shift = middle - turn @ middle + rng.uniform(-4, 4, 3) / spacing

    def moved(volume):
        volume = volume.astype(np.float32)
        return ndimage.affine_transform(volume, turn, shift, order=1) if how.moved else volume

    brain = moved(rendering.brain) > 0.5 + 0.15 * how.strip * SmoothNoise(rng, 25.0, LOW, HIGH)(shown)
    flip = slice(None, None, -1 if rng.random() < how.mirrored else 1)
    made = {}
    for name, image in zip(SEQUENCES, rendering.images):
        other = moved(image)
        if how.grey:
            other = other ** rng.uniform(0.8, 1.25) * np.exp(0.25 * SmoothNoise(rng, 60.0, LOW, HIGH)(shown))
            other = np.abs(other + rng.normal(0, 0.03, other.shape)) * rng.uniform(50, 2000)
        made[name] = Volume((other * brain)[flip].astype(np.float32), shown.affine)
    return made


def later(patient: Patient, rng: np.random.Generator, how: Copy) -> Patient:
    others, signs = [site for site in SITES if site != patient.site], patient.signs
    if how.treated:
        signs = replace(signs, oedema=not signs.oedema, indistinct=not signs.indistinct, enhancement="patchy")
    site, growth = others[rng.integers(len(others))], rng.uniform(*how.growth)
    return Later(patient.subject, patient.label, signs, site, patient.seed, growth)


def main(patients: int = 300, of_a_kind: int = 2, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    people = [draw_patient(f"p{number}", "default", list(SITES)[number % 4], seed) for number in range(patients)]
    planted = [kind for kind, how in KINDS.items() for _ in range(of_a_kind // (4 if how.spacing == FINE else 1) or 1)]
    started = time.process_time()
    crops = [describe(scans(person)).astype(np.float16) for person in people]
    crops += [describe(copy(person, rng, KINDS[kind])).astype(np.float16) for person, kind in zip(people, planted)]
    stored = np.array(crops)
    del crops
    made = time.process_time() - started
    started = time.process_time()
    pairs = {(pair.first, pair.second): pair for pair in similar_pairs(stored, 4)}
    compared = time.process_time() - started
    true = [pairs.pop((number, patients + number), None) for number in range(len(planted))]
    false = sorted(pairs.values(), key=lambda pair: -pair.score)
    joined = [pair for pair in false if joins(pair)]
    found = {
        "patients and copies": len(stored),
        "planted": len(planted),
        "joined": sum(joins(pair) for pair in true),
        "joined by kind": {kind: rate(joins, true, planted, kind) for kind in KINDS},
        "joined or to look at, by kind": {kind: rate(alike, true, planted, kind) for kind in KINDS},
        "false pairs": {"joined": len(joined), "to look at": sum(map(alike, false)) - len(joined)},
        "false pairs joined": [told(pair, people, planted) for pair in joined],
        "the most alike": [told(pair, people, planted) for pair in false[:12]],
        "planted, the least alike": [
            told(pair, people, planted) for pair in sorted(filter(None, true), key=by_score)[:8]
        ],
        "cpu s": {"making and describing": made, "all pairs": compared},
        "peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    print(json.dumps(found, indent=1, ensure_ascii=False))


def joins(pair: Pair | None) -> bool:
    """Say whether the audit takes the two for one patient."""
    return pair is not None and is_one(pair, SETTINGS)


def alike(pair: Pair | None) -> bool:
    return pair is not None and pair.score >= SETTINGS.review_from


def by_score(pair: Pair) -> float:
    return pair.score


def rate(found: Callable, true: list[Pair | None], planted: list[str], kind: str) -> str:
    of_kind = [found(pair) for pair, what in zip(true, planted) if what == kind]
    return f"{sum(of_kind)} of {len(of_kind)}"


def told(pair: Pair, people: list[Patient], planted: list[str]) -> str:
    """Say what a pair was: sites tell whether two patients of one site are taken for one."""
    patients = len(people)
    numbers = (pair.first, pair.second)
    one, other = (people[number if number < patients else number - patients] for number in numbers)
    copies = [planted[number - patients] for number in numbers if number >= patients]
    what = f"; copies: {', '.join(copies)}" if copies else ""
    return f"{pair.score:.2f}, {pair.everywhere:.3f}: {one.subject} ({one.site}), {other.subject} ({other.site}){what}"


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
