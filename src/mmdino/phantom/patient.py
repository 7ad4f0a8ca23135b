"""One phantom patient: who it is, and its images on any grid (all fields are functions of position in the atlas)."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mmdino.files import stable_hash
from mmdino.phantom.anatomy import ATLAS, load_anatomy, sample
from mmdino.phantom.lesion import Lesion, lesion_fields
from mmdino.phantom.noise import Grid, SmoothNoise
from mmdino.phantom.signs import VARIANTS, Signs, draw_signs
from mmdino.phantom.sites import SITES, Style
from mmdino.tables import SEQUENCES

# Usual intensities by sequence (t1, t1c, t2, flair): CSF, grey, white, tumour, oedema, necrosis; skull, scalp.
TISSUE = {
    "csf": (0.22, 0.24, 0.98, 0.12),
    "grey": (0.62, 0.64, 0.54, 0.56),
    "white": (0.85, 0.86, 0.40, 0.45),
    "tumour": (0.50, 0.52, 0.78, 0.80),
    "oedema": (0.62, 0.63, 0.72, 0.78),
    "necrosis": (0.30, 0.30, 0.92, 0.46),
    "skull": (0.10, 0.10, 0.08, 0.08),
    "scalp": (1.05, 1.08, 0.55, 0.60),
}
DEFORMATION_MM = 2.5


@dataclass(frozen=True)
class Patient:
    """A phantom patient; equal fields give equal images, bit for bit. ``growth``: the tumour's radius over its first one."""

    subject: str
    label: str
    signs: Signs
    site: str
    seed: int
    growth: float = 1.0

    def generator(self, *what: object) -> np.random.Generator:
        """Return the random generator of one of the patient's properties."""
        return np.random.default_rng(stable_hash(self.seed, *what))

    @property
    def style(self) -> Style:
        """The scanner style of the patient's site."""
        return SITES[self.site]


@dataclass(frozen=True)
class Rendering:
    """Images (4, *grid) float32 in the order of ``SEQUENCES`` (0 outside what is shown), labels and brain on the grid.

    ``seg``: 1 core or necrosis, 2 oedema, 3 enhancing.
    """

    images: np.ndarray
    seg: np.ndarray
    brain: np.ndarray


def draw_patient(subject: str, variant: str, site: str, *seed: object) -> Patient:
    """Draw a patient's class and signs; ``seed`` and ``subject`` decide everything about it."""
    number = stable_hash("phantom", *seed, subject)
    label, signs = draw_signs(VARIANTS[variant], np.random.default_rng(stable_hash(number, "signs")))
    return Patient(subject, label, signs, site, number)


def slab_grid(patient: Patient, planes: int, side: int = 112, gap: int = 4) -> Grid:
    """Return the grid of a stripped patient: ``planes`` axial planes, ``gap`` mm apart, round the tumour, on atlas voxels."""
    centre = Lesion.draw(patient).centre
    size = (side, side, (planes - 1) * gap + 1)
    low = [round(c - n / 2) for c, n in zip(centre, size)]
    most = [o + n - s for o, n, s in zip(ATLAS.origin, ATLAS.shape, size)]
    origin = [float(min(max(lo, o), hi)) for lo, o, hi in zip(low, ATLAS.origin, most)]
    return Grid((origin[0], origin[1], origin[2]), (1.0, 1.0, float(gap)), (side, side, planes))


def render(patient: Patient, grid: Grid, head: bool = False) -> Rendering:
    """Render the four sequences.

    Args:
        patient: who.
        grid: where, in atlas space.
        head: with skull and scalp; else skull-stripped (0 outside the brain).
    """
    anatomy = load_anatomy()
    lesion = Lesion.draw(patient)
    points = _deformed(patient, grid, lesion)
    distance = sample(anatomy.distance, points, outside=60.0)
    grey, white = (sample(volume, points, outside=0.0) for volume in (anatomy.grey, anatomy.white))
    inside = np.clip(0.5 - distance, 0, 1)
    fields = lesion_fields(patient, lesion, grid, white, inside)
    images = _scan(patient, grid, _tissues(patient, grey, white, fields, distance if head else None, inside), fields)
    brain = distance < 0
    if not head:
        images *= brain
    return Rendering(images, fields.labels(brain), brain)


def _deformed(patient: Patient, grid: Grid, lesion: Lesion) -> list[np.ndarray]:
    """Return, for every grid point, the place of the healthy atlas whose tissue lies there now (mm)."""
    generator = patient.generator("deformation")
    low, high = np.array(ATLAS.origin), np.array(ATLAS.origin) + np.array(ATLAS.shape)
    points = [
        p + np.float32(DEFORMATION_MM) * SmoothNoise(generator, 28.0, low - 30, high + 30)(grid) for p in grid.points()
    ]
    offset = [p - c for p, c in zip(points, lesion.centre)]
    radius = np.sqrt(sum(o * o for o in offset)) + np.float32(1e-3)
    push = lesion.mass_effect * lesion.radius * np.exp(-(((radius - lesion.radius) / (1.2 * lesion.radius)) ** 2))
    inward = np.minimum(push, 0.6 * radius) / radius
    return [p - o * inward for p, o in zip(points, offset)]


def _tissues(patient, grey, white, fields, distance, inside) -> np.ndarray:
    """Mix the tissues' intensities, (4, *grid); ``distance`` (mm) brings the layers round the brain when given."""
    generator = patient.generator("contrast")
    value = {
        name: np.float32(usual) * np.exp(generator.normal(0, patient.style.contrast, 4)).astype(np.float32)
        for name, usual in ((name, np.array(usual)) for name, usual in TISSUE.items())
    }
    images = np.empty((4, *grey.shape), np.float32)
    csf = np.clip(inside - grey - white, 0, 1)
    if distance is not None:
        csf = csf + (1 - inside) * _layer(distance, 0.0, 3.0)
        skull, scalp = _layer(distance, 3.0, 9.0), _layer(distance, 9.0, 15.0)
    for i in range(4):
        image = csf * value["csf"][i] + grey * value["grey"][i] + white * value["white"][i]
        image += fields.oedema * (value["oedema"][i] - image)
        image += fields.tumour * (value["tumour"][i] - image)
        image += fields.necrosis * (value["necrosis"][i] - image)
        if distance is not None:
            image += skull * value["skull"][i] + scalp * value["scalp"][i]
        images[i] = image
    return images


def _layer(distance: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip(distance - low + 0.5, 0, 1) * np.clip(high - distance + 0.5, 0, 1)


def _scan(patient: Patient, grid: Grid, images: np.ndarray, fields) -> np.ndarray:
    """Add the signs that live in single sequences, and the scanner's style."""
    style, generator = patient.style, patient.generator("scan")
    fields.add_signs(images, SEQUENCES, style.enhancement)
    low, high = np.array(ATLAS.origin) - 30, np.array(ATLAS.origin) + np.array(ATLAS.shape) + 30
    for image in images:
        blur = generator.uniform(*style.blur)
        sigma = [blur / s if s <= 2 else 0 for s in grid.spacing]
        if blur > 0.15:
            image[...] = ndimage.gaussian_filter(image, sigma, truncate=3)
        bias = SmoothNoise(generator, 70.0, low, high)(grid)
        np.clip(image, 0, None, out=image)
        image **= np.float32(generator.uniform(*style.gamma))
        image *= np.exp(np.float32(style.bias / 2) * bias)
        image += np.float32(generator.uniform(*style.noise)) * generator.standard_normal(image.shape, dtype=np.float32)
        np.abs(image, out=image)
    return images
