"""The tumour: its place and shape, and the fields from which its signs are painted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mmdino.phantom.anatomy import load_anatomy
from mmdino.phantom.noise import Grid, SmoothNoise
from mmdino.phantom.signs import Signs

if TYPE_CHECKING:
    from mmdino.phantom.patient import Patient

REACH = 2.6  # the lesion's fields are evaluated within this many radii of its centre


@dataclass(frozen=True)
class Lesion:
    """Place (mm), mean radius (mm), matrix to the unit ball, and mass effect (share of the radius)."""

    centre: np.ndarray
    radius: float
    to_ball: np.ndarray
    mass_effect: float

    @classmethod
    def draw(cls, patient: Patient) -> Lesion:
        """Draw the lesion of a patient given its signs."""
        generator, signs, anatomy = patient.generator("lesion"), patient.signs, load_anatomy()
        sites = anatomy.cortical_sites if signs.cortical else anatomy.other_sites
        radius = float(generator.uniform(12, 22)) * patient.growth
        radii = radius * np.exp(generator.normal(0, 0.18, 3))
        rotation, _ = np.linalg.qr(generator.standard_normal((3, 3)))
        return cls(
            centre=sites[generator.integers(len(sites))],
            radius=radius,
            to_ball=(np.diag(1 / radii) @ rotation).astype(np.float32),
            mass_effect=0.12 if signs.indistinct else 0.28,
        )


@dataclass
class LesionFields:
    """Fields on a grid, each in [0, 1]: how much of each part there is, and where the signs are."""

    signs: Signs
    tumour: np.ndarray
    oedema: np.ndarray
    necrosis: np.ndarray
    enhancing: np.ndarray
    core: np.ndarray
    texture: np.ndarray  # signed, about unit variance
    specks: np.ndarray
    enhancement_gain: float
    mismatch_level: float
    texture_gain: float

    def labels(self, brain: np.ndarray) -> np.ndarray:
        """Return 1 core or necrosis, 2 oedema, 3 enhancing, uint8."""
        labels = np.zeros(brain.shape, np.uint8)
        labels[self.oedema > 0.45] = 2
        labels[self.tumour > 0.5] = 1
        labels[(self.enhancing > 0.4) & (self.tumour > 0.3)] = 3
        return labels * brain

    def add_signs(self, images: np.ndarray, sequences: tuple[str, ...], enhancement: float) -> None:
        """Paint, in place, the signs that only some sequences show."""
        t1c, t2, flair = (images[sequences.index(name)] for name in ("t1c", "t2", "flair"))
        t1c += np.float32(self.enhancement_gain * enhancement) * self.enhancing
        if self.signs.mismatch:
            flair += self.core * self.tumour * (np.float32(self.mismatch_level) - flair)
        if self.signs.heterogeneity:
            t2 *= 1 + np.float32(self.texture_gain) * self.texture * self.tumour
        if self.signs.specks:
            t2 *= 1 - np.float32(0.75) * self.specks
            t1c *= 1 - np.float32(0.06) * self.specks
            flair *= 1 - np.float32(0.10) * self.specks


def lesion_fields(patient: Patient, lesion: Lesion, grid: Grid, white: np.ndarray, inside: np.ndarray) -> LesionFields:
    """Evaluate the lesion on a grid; ``white`` and ``inside`` are the white matter and brain there, in [0, 1]."""
    signs, generator = patient.signs, patient.generator("fields")
    box = (lesion.centre - REACH * lesion.radius, lesion.centre + REACH * lesion.radius)
    surface, spread, texture, specks, patches, hollow = (
        SmoothNoise(generator, scale, *box)(grid) for scale in (11.0, 14.0, 4.5, 3.2, 6.0, 9.0)
    )
    ring = signs.enhancement == "ring"
    rho = _ball_radius(lesion, grid) + np.float32(0.10 + 0.07 * ring) * surface
    tumour = _step((1 - rho) / (0.16 if signs.indistinct else 0.05)) * inside
    reach = generator.uniform(1.7, 2.2) if signs.oedema else generator.uniform(1.05, 1.25)
    oedema = _step((reach - rho - 0.12 * spread) / 0.08) * np.clip(1.4 * white, 0, 1) * (1 - tumour) * inside
    necrosis = tumour * _step((generator.uniform(0.5, 0.62) - rho - 0.10 * hollow) / 0.05) * signs.necrosis
    width = np.float32(generator.uniform(0.08, 0.16))
    enhancing = {
        "none": np.zeros_like(rho),
        "patchy": _step((patches - 0.35) / 0.15) * tumour,
        "ring": np.exp(-(((rho - 0.82) / width) ** 2)) * np.clip(inside, 0, 1),
    }[signs.enhancement]
    return LesionFields(
        signs=signs,
        tumour=tumour,
        oedema=oedema,
        necrosis=necrosis,
        enhancing=enhancing,
        core=_step((0.78 - rho) / 0.05),
        texture=texture,
        specks=_step((specks - 1.1) / 0.12) * tumour,
        enhancement_gain=float(generator.uniform(0.35, 0.6)),
        mismatch_level=float(generator.uniform(0.30, 0.48)),
        texture_gain=float(generator.uniform(0.20, 0.32)),
    )


def _ball_radius(lesion: Lesion, grid: Grid) -> np.ndarray:
    """Return the distance from the centre in ellipsoid radii, float32 on the grid."""
    offset = [p - c for p, c in zip(grid.points(), lesion.centre)]
    squares = np.zeros(grid.shape, np.float32)
    for row in lesion.to_ball:
        squares += (row[0] * offset[0] + row[1] * offset[1] + row[2] * offset[2]) ** 2
    return np.sqrt(squares)


def _step(x: np.ndarray) -> np.ndarray:
    """Return a smooth step from 0 (x ≪ 0) to 1 (x ≫ 0)."""
    return 1 / (1 + np.exp(np.clip(-4 * x, -30, 30)))
