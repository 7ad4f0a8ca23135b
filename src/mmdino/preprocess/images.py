"""Volumes between the conventions of NIfTI (RAS+ millimetres), ITK (LPS) and the networks (RAS arrays)."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdino.errors import UserError
from mmdino.nifti import RAS, Volume, reorient

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MAX_SHEAR = 0.02


def harmonise(volume: Volume, path: Path | str) -> Volume:
    """Return the volume as float32 with its axes along RAS and perpendicular directions.

    Raises:
        UserError: the affine shears by more than 0.02 (about a degree), which ITK cannot express.
    """
    turned = reorient(volume, RAS)
    directions = turned.affine[:3, :3] / turned.spacing
    left, _, right = np.linalg.svd(directions)
    shear = float(np.abs(left @ right - directions).max())
    if shear > MAX_SHEAR:
        raise UserError(f"{path}: its affine is sheared by {shear:.2f}; resample it to a grid with perpendicular axes")
    affine = turned.affine.copy()
    affine[:3, :3] = left @ right * turned.spacing
    return Volume(np.ascontiguousarray(turned.array, np.float32), affine)


def to_ants(volume: Volume) -> Any:
    """Return the volume as an ANTs image (float32)."""
    import ants

    affine = LPS @ volume.affine
    return ants.from_numpy(
        np.ascontiguousarray(volume.array, np.float32),
        origin=tuple(affine[:3, 3]),
        spacing=tuple(volume.spacing),
        direction=affine[:3, :3] / volume.spacing,
    )


def masked(volume: Volume, mask: NDArray[np.bool_]) -> Volume:
    """Return the volume with 0 outside of the mask."""
    return Volume(np.where(mask, volume.array, 0), volume.affine)


def dice(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Return the overlap of two masks on one grid, 0 to 1; NaN where both are empty."""
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else float("nan")
