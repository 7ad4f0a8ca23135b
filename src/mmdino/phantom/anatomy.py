"""Healthy anatomy: the MNI152 2009a grey and white matter maps that nilearn carries, and where a tumour may sit."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import ndimage

from mmdino.phantom.noise import Grid

ATLAS = Grid(origin=(-98.0, -134.0, -72.0), spacing=(1.0, 1.0, 1.0), shape=(197, 233, 189))


@dataclass(frozen=True)
class Anatomy:
    """Maps on :data:`ATLAS`, float32: tissue probabilities, and the distance from the brain's surface in mm (inside < 0)."""

    grey: np.ndarray
    white: np.ndarray
    distance: np.ndarray
    cortical_sites: np.ndarray  # (n, 3) mm: frontal, near the surface
    other_sites: np.ndarray  # (n, 3) mm: elsewhere in the brain's depth


@cache
def load_anatomy() -> Anatomy:
    """Read the maps from the installed nilearn (no download)."""
    from nilearn import datasets

    grey = datasets.load_mni152_gm_template(resolution=1).get_fdata(dtype=np.float32)
    white = datasets.load_mni152_wm_template(resolution=1).get_fdata(dtype=np.float32)
    brain = datasets.load_mni152_brain_mask(resolution=1).get_fdata(dtype=np.float32) > 0.5
    outside = ndimage.distance_transform_edt(~brain)
    inside = ndimage.distance_transform_edt(brain)
    distance = np.where(brain, 0.5 - inside, outside - 0.5).astype(np.float32)
    x, y, z = ATLAS.points()
    depth = -distance
    cortical = (depth > 9) & (depth < 17) & (y > 12) & (z > -10)
    deep = (depth > 20) & (y < 30) & (y > -80) & (z > -12) & (np.abs(x) > 12) & (z < 52)
    return Anatomy(grey, white, distance, _sites(cortical), _sites(deep))


def _sites(mask: np.ndarray) -> np.ndarray:
    return (np.argwhere(mask) + np.array(ATLAS.origin)).astype(np.float32)


def sample(volume: np.ndarray, points: list[np.ndarray], outside: float) -> np.ndarray:
    """Sample an atlas map at points in mm (three arrays of one shape), linearly."""
    index = [p - o for p, o in zip(points, ATLAS.origin)]
    return ndimage.map_coordinates(volume, index, order=1, mode="constant", cval=outside, prefilter=False)
