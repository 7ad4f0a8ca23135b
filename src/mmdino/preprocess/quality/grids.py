"""Patient and atlas on one coarse grid: all checks work at about 3 mm, where a patient costs a quarter of a second."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdino.nifti import Volume
from mmdino.preprocess.registration import resample

COARSE_MM = 3.0
WHOLE_HEAD_MM = 120  # a grid shorter than this along any axis is a slab, not a head
REFERENCES = ("t1c", "t1", "t2", "flair")


@dataclass(frozen=True)
class Patient:
    """One patient in atlas space on a coarse grid.

    Attributes:
        scans: stripped sequences by name, float32, 0 outside the brain.
        brain: mask.
        tumour: mask.
        atlas: the template's intensities at the same places, 0 outside its brain.
        atlas_mirrored: the template with left and right exchanged.
        affine: voxels to mm.
        middle: x (mm) of the template's mid-sagittal plane.
    """

    scans: Mapping[str, NDArray[np.float32]]
    brain: NDArray[np.bool_]
    tumour: NDArray[np.bool_]
    atlas: NDArray[np.float32]
    atlas_mirrored: NDArray[np.float32]
    affine: NDArray[np.float64]
    middle: float

    @property
    def reference(self) -> str:
        """The sequence by which the patient was registered."""
        return next(name for name in REFERENCES if name in self.scans)

    @property
    def whole(self) -> bool:
        """Whether the grid holds a whole head, and no slab."""
        extents = np.linalg.norm(self.affine[:3, :3], axis=0) * self.brain.shape
        return bool(extents.min() >= WHOLE_HEAD_MM)

    def mirrored(self, array: NDArray) -> NDArray[np.float32]:
        """Return an array with left and right exchanged about the template's middle; 0 where nothing was."""
        return resample(Volume(array, self.affine), Volume(self.brain, self.affine), _mirror(self.middle)).array


def coarse_patient(
    scans: Mapping[str, Volume], brain: NDArray[np.bool_], tumour: NDArray[np.uint8], atlas: Volume
) -> Patient:
    """Return what the checks look at; all volumes lie on one grid, the atlas on its own."""
    like = next(iter(scans.values()))
    steps = np.maximum(1, np.round(COARSE_MM / like.spacing)).astype(int)
    affine = like.affine @ np.diag([*steps, 1.0])
    affine[:3, 3] += like.affine[:3, :3] @ ((steps - 1) / 2)
    share = _block_means(brain, steps)
    grid = Volume(share > 0.5, affine)
    middle = _middle(atlas)
    return Patient(
        {
            name: np.where(grid.array, _block_means(scan.array * brain, steps) / np.maximum(share, 0.5), 0)
            for name, scan in scans.items()
        },
        grid.array,
        _block_means(tumour > 0, steps) > 0.5,
        resample(atlas, grid, np.eye(4)).array,
        resample(atlas, grid, _mirror(middle)).array,
        affine,
        middle,
    )


def _block_means(array: NDArray, steps: NDArray[np.int_]) -> NDArray[np.float32]:
    """Return the means of whole blocks of ``steps`` voxels; what does not fill a block at the far ends is left out."""
    shape = np.maximum(1, np.array(array.shape) // steps)
    whole = array[tuple(slice(0, int(n * step)) for n, step in zip(shape, steps))].astype(np.float32)
    blocks = whole.reshape([int(length) for pair in zip(shape, np.minimum(steps, array.shape)) for length in pair])
    return blocks.mean(axis=(1, 3, 5))


def _mirror(middle: float) -> NDArray[np.float64]:
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirror[0, 3] = 2 * middle
    return mirror


def _middle(atlas: Volume) -> float:
    axis = int(np.abs(atlas.affine[0, :3]).argmax())
    seen = np.flatnonzero((atlas.array > 0).any(axis=tuple({0, 1, 2} - {axis})))
    centre = (np.array(atlas.array.shape) - 1) / 2
    centre[axis] = (seen[0] + seen[-1]) / 2
    return float((atlas.affine @ [*centre, 1])[0])
