"""The starter's images: crops of phantom planes, as the slice bank would cut them, and what they are asked to predict."""

import itertools
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from mmdino.dataset.slices import crop, crop_start, scale
from mmdino.phantom.patient import draw_patient, render, slab_grid
from mmdino.phantom.sites import TRAINING_SITES

PLANES = 3
SIDE = 96
RING_EDGES = (-np.inf, -10.0, -6.0, -3.0, -0.75, 0.75, 4.0, 9.0, 16.0)  # pixels from the tumour's edge, inside < 0
COMPONENTS = 96


@dataclass(frozen=True)
class Planes:
    """Memory-mapped crops ``images`` (patients, PLANES, 4, SIDE, SIDE) uint8, ``tumour`` alike without sequences, and
    ``statistics`` (patients, PLANES, D) float32 of the clean crops."""

    images: np.ndarray
    tumour: np.ndarray
    statistics: np.ndarray


def load_or_render(folder: Path, patients: int) -> Planes:
    """Render the starter's patients once, and read them back afterwards; an interrupted rendering goes on."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = {
        "images": ((patients, PLANES, 4, SIDE, SIDE), np.uint8),
        "tumour": ((patients, PLANES, SIDE, SIDE), np.uint8),
        "statistics": ((patients, PLANES, statistics_size()), np.float32),
    }
    fresh = not (folder / "done.npy").exists()
    arrays = {
        name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+" if fresh else "r+", dtype, shape)
        for name, (shape, dtype) in shapes.items()
    }
    done = np.lib.format.open_memmap(folder / "done.npy", "w+" if fresh else "r+", bool, (patients,))
    for number in tqdm(np.flatnonzero(~done), desc="starter's phantoms", disable=None):
        images, tumour = render_planes(int(number))
        arrays["images"][number], arrays["tumour"][number] = np.rint(images * 255), tumour
        arrays["statistics"][number] = [plane_statistics(i, t) for i, t in zip(images, tumour)]
        done[number] = True
    return Planes(**arrays)


def render_planes(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the crops of one patient, (PLANES, 4, SIDE, SIDE) in [0, 1], and its tumour masks."""
    patient = draw_patient(f"starter-{number}", "default", TRAINING_SITES[number % len(TRAINING_SITES)], "starter")
    rendering = render(patient, slab_grid(patient, PLANES))
    images, tumour = [], []
    for plane in range(PLANES):
        mask = rendering.seg[:, :, plane] > 0
        start = crop_start(mask, SIDE) if mask.any() else (8, 8)
        images.append(scale(crop(rendering.images[:, :, :, plane], start, SIDE)))
        tumour.append(crop(mask, start, SIDE))
    return np.stack(images), np.stack(tumour).astype(np.uint8)


def statistics_size() -> int:
    """Return the number of statistics of a plane: 6 images × rings × 5."""
    return 6 * (len(RING_EDGES) - 1) * 5


def plane_statistics(images: np.ndarray, tumour: np.ndarray) -> np.ndarray:
    """Describe a clean plane by first-order and band-pass statistics in rings round the tumour's edge.

    For each sequence and for t1c − t1 and flair − t2: mean, standard deviation, and the energy of three band-pass
    filters in each ring. Needs the tumour's outline, never the patient's class.
    """
    inside = ndimage.distance_transform_edt(tumour) if tumour.any() else np.zeros(tumour.shape)
    edge = np.where(tumour > 0, 0.5 - inside, ndimage.distance_transform_edt(1 - tumour) - 0.5)
    ring = np.digitize(edge, RING_EDGES).ravel() - 1
    weight = (ring == np.arange(len(RING_EDGES) - 1)[:, None]).astype(np.float32)
    weight /= np.maximum(weight.sum(1, keepdims=True), 1)
    t1, t1c, t2, flair = images
    shown = np.stack([t1, t1c, t2, flair, t1c - t1, flair - t2])
    levels = [shown, *(blur @ shown @ blur.T for blur in _blurs())]
    bands = [np.abs(fine - coarse) for fine, coarse in itertools.pairwise(levels)]
    mean, square, *energy = (x.reshape(6, -1) @ weight.T for x in (shown, shown**2, *bands))
    return np.stack([mean, np.sqrt(np.maximum(square - mean**2, 0)), *energy]).ravel()


@cache
def _blurs() -> list[np.ndarray]:
    """Return matrices (SIDE, SIDE) that blur rows or columns by σ = .8, 1.6, 3.2 pixels."""
    distance = np.arange(SIDE)[:, None] - np.arange(SIDE)
    matrices = [np.exp(-0.5 * (distance / sigma) ** 2) for sigma in (0.8, 1.6, 3.2)]
    return [(matrix / matrix.sum(1, keepdims=True)).astype(np.float32) for matrix in matrices]


def targets(statistics: np.ndarray) -> np.ndarray:
    """Return the principal components of the standardised statistics, (…, COMPONENTS), softened towards equal weight."""
    flat = statistics.reshape(-1, statistics.shape[-1]).astype(np.float64)
    flat = (flat - flat.mean(0)) / (flat.std(0) + 1e-6)
    values, vectors = np.linalg.eigh(flat.T @ flat / len(flat))
    values, vectors = values[::-1][:COMPONENTS], vectors[:, ::-1][:, :COMPONENTS]
    components = flat @ vectors / values**0.2
    components /= components.std()
    return np.clip(components, -5, 5).astype(np.float32).reshape(*statistics.shape[:-1], COMPONENTS)
