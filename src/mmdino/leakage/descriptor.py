"""A brain as a small array that stays nearly the same however the scan was registered, resampled, scaled or stripped."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmdino.errors import UserError
from mmdino.nifti import Volume, in_ras
from mmdino.tables import SEQUENCES

GRID = (20, 24, 20)
REACH = 1.9  # half the crop's side, in standard deviations of the brain's voxels along each axis
LOCAL = 3.0  # σ in grid voxels of the neighbourhood whose mean and spread are taken out (bias fields, intensity scales)
LEAST_MM = 80.0  # of brain along each axis; a slab has no frame of its own
EDGE = 1.0  # σ in grid voxels by which the brain's border fades, since every skull-strip draws it elsewhere


def describe(scans: Mapping[str, Volume]) -> NDArray[np.float32]:
    """Return (4, *GRID), a crop of each sequence in the brain's own frame; zeros for a sequence that is missing.

    The frame is the centre of the brain's voxels and their spread along left–right, back–front and down–up, so that no
    registration is needed and neither position nor size counts.

    Args:
        scans: stripped sequences by name, on one grid.

    Raises:
        UserError: too little of a brain is there.
    """
    turned = [in_ras(scan) for scan in scans.values()]
    volumes = [scan.array for scan in turned]
    brain = np.any([volume > 0 for volume in volumes], axis=0)
    covered = _covered_mm(brain, turned[0].spacing)
    if covered < LEAST_MM:
        raise UserError(f"its scans show {covered:.0f} mm of brain along one axis, and {LEAST_MM:.0f} are needed")
    spread, centre = _moments(brain)
    step = 2 * REACH * spread / np.array(GRID)  # voxels of the scan to a voxel of the crop
    inside = np.clip(_crop(brain.astype(np.float32), centre, step), 0, 1).astype(np.float32)
    weight = ndimage.gaussian_filter(inside, EDGE) ** 2
    described = np.zeros((len(SEQUENCES), *GRID), np.float32)
    for name, volume in zip(scans, volumes):
        crop = _crop(volume.astype(np.float32), centre, step) / np.maximum(inside, np.float32(0.5))
        described[SEQUENCES.index(name)] = weight * _local(np.asarray(crop, np.float32), inside)
    return described


def _covered_mm(brain: NDArray[np.bool_], spacing: NDArray[np.float64]) -> float:
    """Return how far the mask, of voxels of so many mm (3,), reaches along the axis on which it reaches least."""
    profiles = (np.flatnonzero(brain.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3))
    return min(float(np.ptp(places) + 1) * step if places.size else 0.0 for places, step in zip(profiles, spacing))


def _moments(brain: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the spread and the centre of a mask along each axis, in voxels."""
    spread, centre = np.empty(3), np.empty(3)
    for axis in range(3):
        profile = brain.sum(axis=tuple(other for other in range(3) if other != axis)).astype(float)
        place = np.arange(len(profile))
        centre[axis] = np.average(place, weights=profile)
        spread[axis] = np.sqrt(np.average((place - centre[axis]) ** 2, weights=profile) + 1 / 12)
    return spread, centre


def _crop(volume: NDArray[np.float32], centre: NDArray, step: NDArray) -> NDArray[np.float32]:
    """Sample the crop; blocks of voxels are averaged first, as many as fit into half a step."""
    block = np.maximum((step / 2).astype(int), 1)
    pad = [(0, -length % size) for length, size in zip(volume.shape, block)]
    shape = [
        part for (_, more), length, size in zip(pad, volume.shape, block) for part in ((length + more) // size, size)
    ]
    small = np.pad(volume, pad).reshape(shape).mean(axis=(1, 3, 5))
    small = ndimage.gaussian_filter(small, np.maximum(step / block - 1, 0) / 2)
    start = centre - step * (np.array(GRID) - 1) / 2
    return ndimage.affine_transform(
        small, np.diag(step / block), (start - (block - 1) / 2) / block, output_shape=GRID, order=1, prefilter=False
    )


def _local(crop: NDArray[np.float32], inside: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return each voxel's deviation from its neighbourhood's mean in units of the neighbourhood's spread, within ±3."""
    support = np.maximum(ndimage.gaussian_filter(inside, LOCAL), 1e-3)
    mean = ndimage.gaussian_filter(crop * inside, LOCAL) / support
    square = ndimage.gaussian_filter(crop * crop * inside, LOCAL) / support
    spread = np.sqrt(np.maximum(square - mean * mean, 0))
    return np.clip((crop - mean) / (spread + 1e-3 * np.abs(mean).max() + 1e-6), -3, 3) * inside
