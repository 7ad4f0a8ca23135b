"""Smooth random fields that are functions of position: the same point has the same value on every grid."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Grid:
    """An axis-aligned grid in atlas space: ``origin`` and ``spacing`` in mm, ``shape`` in voxels."""

    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def affine(self) -> np.ndarray:
        """Voxel-to-mm matrix (4, 4)."""
        affine = np.diag([*self.spacing, 1.0])
        affine[:3, 3] = self.origin
        return affine

    def axes(self) -> list[np.ndarray]:
        """Coordinates in mm along each axis, float32."""
        return [(o + s * np.arange(n)).astype(np.float32) for o, s, n in zip(self.origin, self.spacing, self.shape)]

    def points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Open mesh of x, y, z in mm, which broadcasts to ``shape``."""
        x, y, z = self.axes()
        return x[:, None, None], y[None, :, None], z[None, None, :]


class SmoothNoise:
    """Cubic B-spline noise of about zero mean and unit variance, whose lattice covers a box of the atlas."""

    _SPREAD = 0.479**1.5  # standard deviation of a sum of independent normals under the cubic B-spline weights

    def __init__(self, generator: np.random.Generator, scale: float, low: np.ndarray, high: np.ndarray):
        """Draw a lattice ``scale`` mm apart over the box from ``low`` to ``high`` (mm)."""
        self.scale = scale
        self.low = np.asarray(low, np.float32) - 2 * scale
        nodes = np.ceil((np.asarray(high) - self.low) / scale).astype(int) + 3
        self.lattice = generator.standard_normal(nodes, dtype=np.float32) / self._SPREAD

    def __call__(self, grid: Grid) -> np.ndarray:
        """Evaluate on a grid inside the box; outside of it the field fades to 0."""
        field, axes = self.lattice, grid.axes()
        for axis in sorted(range(3), key=lambda axis: grid.shape[axis] / self.lattice.shape[axis]):  # shrink first
            weights = self._weights((axes[axis] - self.low[axis]) / self.scale, self.lattice.shape[axis])
            field = np.moveaxis(np.tensordot(weights, field, axes=(1, axis)), 0, axis)
        return np.ascontiguousarray(field)

    @staticmethod
    def _weights(position: np.ndarray, nodes: int) -> np.ndarray:
        """Return the cubic B-spline weight of every node at every position, (positions, nodes)."""
        distance = np.abs(position[:, None] - np.arange(nodes, dtype=np.float32))
        near = 2 / 3 - distance**2 + distance**3 / 2
        far = np.clip(2 - distance, 0, None) ** 3 / 6
        return np.where(distance < 1, near, far).astype(np.float32)
