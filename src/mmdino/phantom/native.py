"""A native session: the same head scanned four times, each time in another space, orientation and resolution."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mmdino.phantom.anatomy import ATLAS
from mmdino.phantom.noise import Grid
from mmdino.phantom.patient import Patient, Rendering
from mmdino.tables import SEQUENCES

MARGIN = 20  # mm round the atlas, for skull and scalp
HEAD_GRID = Grid(
    tuple(o - MARGIN for o in ATLAS.origin),  # type: ignore[arg-type]
    (1.0, 1.0, 1.0),
    tuple(n + 2 * MARGIN for n in ATLAS.shape),  # type: ignore[arg-type]
)


@dataclass(frozen=True)
class Protocol:
    """How a sequence is scanned: the voxel axes in anatomical letters, and their size in mm."""

    axes: str
    spacing: tuple[float, float, float]


PROTOCOLS = {
    "t1c": Protocol("LPS", (1.0, 1.0, 1.0)),
    "t1": Protocol("PSR", (1.0, 1.0, 1.2)),  # sagittal
    "t2": Protocol("LPS", (1.0, 1.0, 5.0)),  # axial, thick slices
    "flair": Protocol("RAS", (1.0, 1.0, 2.0)),
}
TILT_DEGREES, TILT_MM = 8.0, 10.0  # of the head in the scanner
MOVED_DEGREES, MOVED_MM = 4.0, 4.0  # between sequences


@dataclass(frozen=True)
class Scan:
    """One sequence: image (int16), voxel-to-scanner affine, and the true scanner-to-atlas matrix (mm, 4×4)."""

    image: np.ndarray
    affine: np.ndarray
    to_atlas: np.ndarray


def scan_session(
    patient: Patient, rendering: Rendering, protocols: Mapping[str, Protocol] = PROTOCOLS
) -> dict[str, Scan]:
    """Scan a head rendered on :data:`HEAD_GRID`; returns one :class:`Scan` a sequence."""
    generator = patient.generator("session")
    head = _rigid(generator, TILT_DEGREES, TILT_MM)
    scans = {}
    for name in SEQUENCES:
        moved = np.eye(4) if name == "t1c" else _rigid(generator, MOVED_DEGREES, MOVED_MM)
        to_atlas = np.linalg.inv(moved @ head)
        level = generator.uniform(500, 1200)
        affine, shape = _field_of_view(protocols[name], moved @ head)
        image = resample(rendering.images[SEQUENCES.index(name)], affine, shape, to_atlas)
        scans[name] = Scan(np.rint(image * level).clip(0, 32767).astype(np.int16), affine, to_atlas)
    return scans


def resample(
    volume: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], to_atlas: np.ndarray, order: int = 1
) -> np.ndarray:
    """Sample a volume on :data:`HEAD_GRID` at the voxels of a scan; thick slices average what they cover."""
    to_index = np.linalg.inv(HEAD_GRID.affine) @ to_atlas @ affine
    thickness = np.linalg.norm(affine[:3, 2])
    samples = max(1, round(thickness)) if order == 1 else 1
    total = np.zeros(shape, np.float32)
    for k in range(samples):
        offset = to_index[:3, :3] @ np.array([0, 0, (k + 0.5) / samples - 0.5]) + to_index[:3, 3]
        total += ndimage.affine_transform(volume, to_index[:3, :3], offset, shape, order=order, prefilter=False)
    return total / samples


def _rigid(generator: np.random.Generator, degrees: float, millimetres: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", generator.uniform(-degrees, degrees, 3), degrees=True).as_matrix()
    matrix[:3, 3] = generator.uniform(-millimetres, millimetres, 3)
    return matrix


def _field_of_view(protocol: Protocol, from_atlas: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """Return affine and shape of a box round the head, its axes along the scanner's."""
    columns = []
    for letter, size in zip(protocol.axes, protocol.spacing):
        axis = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}[letter]
        columns.append(np.eye(3)[axis] * (size if letter in "RAS" else -size))
    directions = np.stack(columns, axis=1)
    extent = np.array(HEAD_GRID.shape) - 2.0 * (MARGIN - 16)
    centre_atlas = np.array(HEAD_GRID.origin) + np.array(HEAD_GRID.shape) / 2
    centre = (from_atlas @ np.append(centre_atlas, 1))[:3]
    shape = tuple(int(np.ceil(extent[np.abs(d).argmax()] / np.abs(d).max())) for d in directions.T)
    affine = np.eye(4)
    affine[:3, :3] = directions
    affine[:3, 3] = centre - directions @ ((np.array(shape) - 1) / 2)
    return affine, shape
