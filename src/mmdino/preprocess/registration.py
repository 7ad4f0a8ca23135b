"""Rigid and affine registration with ANTs, and one composed resampling.

A *pull* is the 4×4 matrix that takes a point of the fixed space to the moving one, in RAS+ millimetres: pulls compose
as matrices, and a resampling needs just one.
"""

import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from mmdino.files import write_text
from mmdino.nifti import Volume
from mmdino.preprocess.images import LPS, to_ants

Pull = NDArray[np.float64]


def register(fixed: Volume, moving: Volume, kind: Literal["rigid", "affine"]) -> Pull:
    """Register ``moving`` to ``fixed`` by mutual information, at 2 mm (settings measured in docs/benchmarks.md).

    A whole head does not register to a stripped atlas: strip it first.
    """
    import ants

    coarse = ants.resample_image(to_ants(fixed), (2, 2, 2), use_voxels=False, interp_type=0)
    with tempfile.TemporaryDirectory(prefix="mmdino-") as folder:
        found = ants.registration(
            coarse,
            to_ants(moving),
            kind.capitalize(),
            outprefix=f"{folder}/",
            aff_random_sampling_rate=0.05,
            aff_shrink_factors=(4, 2, 1),
            aff_smoothing_sigmas=(2, 1, 0),
            aff_iterations=(1000, 500, 100),
        )
        return from_ants(found["fwdtransforms"][0])


def from_ants(path: Path | str) -> Pull:
    """Return the pull that an ANTs file of a rigid or affine transform says."""
    import ants

    transform = ants.read_transform(str(path))
    matrix = np.asarray(transform.parameters[:9], float).reshape(3, 3)
    centre = np.asarray(transform.fixed_parameters, float)
    pull = np.eye(4)
    pull[:3, :3] = matrix
    pull[:3, 3] = np.asarray(transform.parameters[9:], float) + centre - matrix @ centre
    return LPS @ pull @ LPS


def resample(moving: Volume, onto: Volume, pull: Pull) -> Volume:
    """Resample a scan linearly onto the grid of ``onto``; 0 where the scan does not reach."""
    voxels = np.linalg.inv(moving.affine) @ pull @ onto.affine
    array = affine_transform(
        np.asarray(moving.array, np.float32), voxels[:3, :3], voxels[:3, 3], onto.array.shape, order=1, prefilter=False
    )
    return Volume(array, onto.affine)


def resample_labels(moving: Volume, onto: Volume, pull: Pull) -> Volume:
    """Resample labels: each label's own linear interpolation, and the strongest wins (ANTs calls it genericLabel)."""
    best = np.zeros(onto.array.shape, np.uint8)
    weight = resample(Volume(moving.array == 0, moving.affine), onto, pull).array  # 0 outside, as every label's is
    for label in np.unique(moving.array[moving.array > 0]):
        other = resample(Volume(moving.array == label, moving.affine), onto, pull).array
        best[other > weight] = label
        weight = np.maximum(weight, other)
    return Volume(best, onto.affine)


def write_pull(pull: Pull, path: Path) -> None:
    """Write a pull as an ITK text transform, as antsApplyTransforms, 3D Slicer and ITK-SNAP read it."""
    matrix = LPS @ pull @ LPS
    numbers = " ".join(f"{number:.9g}" for number in (*matrix[:3, :3].ravel(), *matrix[:3, 3]))
    write_text(
        path,
        "#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        f"Parameters: {numbers}\nFixedParameters: 0 0 0\n",
    )


def read_pull(path: Path) -> Pull:
    """Read what :func:`write_pull` wrote."""
    lines = dict(line.split(": ", 1) for line in path.read_text().splitlines() if ": " in line)
    numbers = np.array(lines["Parameters"].split(), float)
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = numbers[:9].reshape(3, 3), numbers[9:]
    return LPS @ matrix @ LPS
