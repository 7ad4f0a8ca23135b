"""Which slices of a volume are used, where the crop lies, and how its intensities are scaled (docs/method.md, Data).

Pure functions on arrays. The released code sums label values to choose a slice, and cuts a corner where there is no
tumour; here voxels are counted, and a patient without a tumour is left out (``rule: mended | released``).
"""

import numpy as np
from numpy.typing import NDArray

from mmdino.config.sources import Rule

LOW, HIGH = 1, 99  # percentiles of a crop that become 0 and 1


def tumour_voxels(tumour: NDArray, axis: int, rule: Rule = "mended") -> NDArray[np.int64]:
    """Count the voxels > 0 in each slice of a 3-D segmentation; labels 1/2/4, 1/2/3 and binary count alike.

    ``released`` sums the label values instead, so that they do not.
    """
    others = tuple(other for other in range(3) if other != axis)
    if rule == "released":
        return tumour.sum(axis=others, dtype=np.int64)
    return np.count_nonzero(tumour, axis=others).astype(np.int64)


def tumour_box(tumour: NDArray) -> tuple[slice, ...]:
    """Return, along each axis of a segmentation that isn't all zero, from the first to the last slice with tumour."""
    box = []
    for axis in range(tumour.ndim):
        others = tuple(other for other in range(tumour.ndim) if other != axis)
        there = np.flatnonzero(tumour.max(axis=others))  # several times faster than to count
        box.append(slice(int(there[0]), int(there[-1]) + 1))
    return tuple(box)


def training_slices(counts: NDArray[np.int64], minimum: int) -> NDArray[np.int64]:
    """Return the slices with at least ``minimum`` tumour voxels, else the one with most, else (no tumour) none."""
    chosen = np.flatnonzero(counts >= minimum)
    if chosen.size == 0 and counts.any():
        chosen = np.array([counts.argmax()])
    return chosen.astype(np.int64)


def crop_start(tumour: NDArray, size: int, rule: Rule = "mended") -> tuple[int, int]:
    """Return row and column at which a ``size`` × ``size`` crop of a plane starts.

    Its middle lies within half a pixel of the tumour's centre of mass. At a border it is shifted inwards; along a side
    that is shorter than the crop it starts before the plane (negative), so that the plane lies in the middle.
    ``released`` truncates the centre to whole pixels (up to a pixel off), and cuts the corner of a plane without tumour.

    Args:
        tumour: (H, W), not all zero (``released``: it may be).
        size: side in pixels.
        rule: as in the table of mends.
    """
    centre = centre_of_mass(tumour) if rule == "mended" or tumour.any() else np.zeros(2)
    return start_round(centre, tumour.shape, size, rule)


def start_round(
    centre: NDArray[np.float64], shape: tuple[int, ...], size: int, rule: Rule = "mended"
) -> tuple[int, int]:
    """Return what :func:`crop_start` does, of a plane of ``shape`` (H, W) in which the tumour's ``centre`` (2,) is known."""
    first = np.trunc(centre) - size // 2 if rule == "released" else np.ceil(centre - size / 2)
    row, column = (_start(int(wanted), length, size) for wanted, length in zip(first, shape))
    return row, column


def centre_of_mass(tumour: NDArray) -> NDArray[np.float64]:
    """Return row and column (2,) of the middle of the voxels > 0 of a plane (H, W) that has some."""
    counts = (np.count_nonzero(tumour, axis=1), np.count_nonzero(tumour, axis=0))
    return np.array([count @ np.arange(len(count)) / count.sum() for count in counts])


def _start(wanted: int, length: int, size: int) -> int:
    if length < size:
        return -((size - length) // 2)
    return min(max(wanted, 0), length - size)


def crop(plane: NDArray, start: tuple[int, int], size: int) -> NDArray:
    """Cut ``size`` × ``size`` pixels from the last two axes of (…, H, W); what lies outside of the plane is 0."""
    cut = np.zeros((*plane.shape[:-2], size, size), plane.dtype)
    (row, rows), (column, columns) = (
        (slice(max(first, 0), min(first + size, length)), slice(max(-first, 0), min(length - first, size)))
        for first, length in zip(start, plane.shape[-2:])
    )
    cut[..., rows, columns] = plane[..., row, column]
    return cut


def scale(crops: NDArray, dimensions: int = 2) -> NDArray[np.float32]:
    """Scale each crop, its 1st–99th percentile to [0, 1], and clip; a flat crop becomes 0.

    Args:
        crops: (…, H, W), or with planes (…, D, H, W).
        dimensions: of a crop, the last ones.
    """
    ordered = np.sort(crops.reshape(*crops.shape[:-dimensions], -1), axis=-1)
    low, high = (_percentile(ordered, share)[(..., *[None] * dimensions)] for share in (LOW, HIGH))
    scaled = crops - low
    scaled /= np.where(high > low, high - low, np.inf)
    return np.clip(scaled, 0, 1, out=scaled).astype(np.float32)


def _percentile(ordered: NDArray, share: int) -> NDArray[np.float64]:
    """Return ``np.percentile`` along the last axis of sorted values, to the bit: sorting is faster than its own search."""
    place = np.float64((ordered.shape[-1] - 1) * (share / 100))
    below = int(place)
    above = min(below + 1, ordered.shape[-1] - 1)
    low, high, weight = ordered[..., below], ordered[..., above], place - below
    return low + (high - low) * weight if weight < 0.5 else high - (high - low) * (1 - weight)
