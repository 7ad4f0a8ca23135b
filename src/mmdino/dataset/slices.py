"""Which slices of a volume are used, where the crop lies, and how its intensities are scaled (docs/method.md, Data).

Pure functions on arrays. The released code sums label values to choose a slice, swaps height and width of the crop and
lets it fall off the far border; here voxels are counted, and the crop is centred on the tumour.
"""

import math

import numpy as np
from numpy.typing import NDArray

LOW, HIGH = 1, 99  # percentiles of a crop that become 0 and 1


def tumour_voxels(tumour: NDArray, axis: int) -> NDArray[np.int64]:
    """Count the voxels > 0 in each slice of a 3-D segmentation; labels 1/2/4, 1/2/3 and binary count alike."""
    others = tuple(other for other in range(3) if other != axis)
    return np.count_nonzero(tumour, axis=others).astype(np.int64)


def training_slices(counts: NDArray[np.int64], minimum: int) -> NDArray[np.int64]:
    """Return the slices with at least ``minimum`` tumour voxels, else the one with most, else (no tumour) none."""
    chosen = np.flatnonzero(counts >= minimum)
    if chosen.size == 0 and counts.any():
        chosen = np.array([counts.argmax()])
    return chosen.astype(np.int64)


def crop_start(tumour: NDArray, size: int) -> tuple[int, int]:
    """Return row and column at which a ``size`` × ``size`` crop of a plane starts.

    Its middle lies within half a pixel of the tumour's centre of mass. At a border it is shifted inwards; along a side
    that is shorter than the crop it starts before the plane (negative), so that the plane lies in the middle.

    Args:
        tumour: (H, W), not all zero.
    """
    centre = np.argwhere(tumour).mean(axis=0)
    row, column = (_start(c, length, size) for c, length in zip(centre, tumour.shape))
    return row, column


def _start(centre: float, length: int, size: int) -> int:
    if length < size:
        return -((size - length) // 2)
    return min(max(math.ceil(centre - size / 2), 0), length - size)


def crop(plane: NDArray, start: tuple[int, int], size: int) -> NDArray:
    """Cut ``size`` × ``size`` pixels from the last two axes of (…, H, W); what lies outside of the plane is 0."""
    cut = np.zeros((*plane.shape[:-2], size, size), plane.dtype)
    (row, rows), (column, columns) = (
        (slice(max(first, 0), min(first + size, length)), slice(max(-first, 0), min(length - first, size)))
        for first, length in zip(start, plane.shape[-2:])
    )
    cut[..., rows, columns] = plane[..., row, column]
    return cut


def scale(crops: NDArray) -> NDArray[np.float32]:
    """Scale each (H, W) of (…, H, W) from its 1st–99th percentile to [0, 1] and clip; a flat crop becomes 0."""
    flat = crops.reshape(*crops.shape[:-2], -1)
    low, high = np.percentile(flat, (LOW, HIGH), axis=-1)[..., None, None]
    span = np.where(high > low, high - low, np.inf)
    return np.clip((crops - low) / span, 0, 1).astype(np.float32)
