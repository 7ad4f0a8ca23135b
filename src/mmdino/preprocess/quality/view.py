"""Was the whole brain in the field of view?"""

from collections.abc import Iterable

import numpy as np

from mmdino.nifti import Volume
from mmdino.preprocess.quality.grids import Patient
from mmdino.preprocess.registration import Pull

NAN = float("nan")


def filled(patient: Patient) -> float:
    """Return the share of the brain in which every sequence has data, of the worst sequence (0 to 1)."""
    return min(float((scan[patient.brain] != 0).mean()) for scan in patient.scans.values())


def in_view(atlas: Volume, views: Iterable[tuple[tuple[int, ...], np.ndarray, Pull]]) -> float:
    """Return the share of the atlas's brain that lies in every scan's field of view, of the worst scan (0 to 1).

    Args:
        atlas: the template.
        views: shape, affine and pull (atlas to scanner, mm) of each scan as the scanner gave it.
    """
    places = np.argwhere(atlas.array[::4, ::4, ::4] > 0) * 4
    places = np.c_[places, np.ones(len(places))] @ atlas.affine.T
    shares = []
    for shape, affine, pull in views:
        voxels = (places @ (np.linalg.inv(affine) @ pull).T)[:, :3]
        shares.append(float(((voxels >= -0.5) & (voxels <= np.array(shape) - 0.5)).all(axis=1).mean()))
    return min(shares)


def flat_end(patient: Patient) -> float:
    """Return how flat the brain ends: the area of its outermost slice over that of its largest, of the flattest side.

    A whole brain ends in a tip (some .1), one cut by the field of view in a plane. NaN for slabs.
    """
    if not patient.whole:
        return NAN
    ends = []
    for axis in range(3):
        areas = patient.brain.sum(axis=tuple({0, 1, 2} - {axis}))
        seen = np.flatnonzero(areas)
        ends += [areas[seen[0]] / areas.max(), areas[seen[-1]] / areas.max()]
    return float(max(ends))
