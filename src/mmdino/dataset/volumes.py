"""The volume round a patient's tumour: a stack of axial planes, at the same millimetres in every cohort.

Pure functions on arrays. The middle plane is the slice with the most tumour, by which the 2-D methods judge a patient:
wherever it lies in the head, for methods may read no more than the middle planes.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mmdino.config import Volumes
from mmdino.dataset.bank import AXIAL
from mmdino.dataset.slices import scale, tumour_voxels


def cut_volume(
    images: NDArray[np.float32], labels: NDArray, voxel: NDArray[np.float64], settings: Volumes
) -> tuple[NDArray[np.float32], NDArray[np.uint8], int]:
    """Return a patient's stack of planes, its tumour, and which slice its middle plane is.

    Between voxels it is interpolated linearly; each sequence is scaled as one. At the head's sides the stack is shifted
    inwards by whole voxels; what lies outside of the head, above, below or round a smaller one, is 0.

    Args:
        images: (S, X, Y, Z), left to right, back to front, feet to head.
        labels: (X, Y, Z), not all zero; labels 1/2/4, 1/2/3 and binary count alike.
        voxel: (3,) their size in millimetres.
        settings: size, spacing, planes and gap.

    Returns:
        (S, planes, size, size) float32 in [0, 1]; (planes, size, size) uint8, 1 in the tumour; the slice.
    """
    middle = int(tumour_voxels(labels, AXIAL).argmax())
    shape = (settings.size, settings.size, settings.planes)
    step = np.array([settings.spacing, settings.spacing, settings.gap]) / voxel
    extent = (np.array(shape) - 1) * step
    centre = np.argwhere(labels[:, :, middle]).mean(axis=0)
    sides = _start(centre, extent[:AXIAL], np.array(labels.shape[:AXIAL]) - 1)
    start = np.array([*sides, middle - extent[AXIAL] / 2])

    def cut(volume: NDArray, order: int) -> NDArray:
        # Zeros go on round the head, so that no rounding takes a plane on its first or last slice for one outside.
        planes = ndimage.affine_transform(volume, np.diag(step), start, shape, order=order, mode="grid-constant")
        return np.moveaxis(planes, AXIAL, 0)

    tumour = cut((labels > 0).astype(np.uint8), 0)
    return scale(np.stack([cut(image, 1) for image in images]), 3), tumour, middle


def _start(centre: NDArray, extent: NDArray, last: NDArray) -> NDArray:
    """Return the voxel (2,) at which a plane of ``extent`` voxels round ``centre`` starts, shifted inwards if it fits."""
    wanted = np.ceil(centre - (extent + 1) / 2)  # as dataset/slices.py places a crop
    room = np.floor(last - extent)
    return np.where(room >= 0, np.clip(wanted, 0, np.maximum(room, 0)), np.rint((last - extent) / 2))
