"""The released code's way to a training sample, written anew from its description: what our data path is held against.

Four whole volumes and the segmentation are read for every sample, one slice is cut out, and each of ten views is drawn
and resized on its own, in float64 (docs/method.md, Views).
"""

from pathlib import Path

import nibabel as nib
import numpy as np
import torch
import torch.nn.functional as F
from torchvision.transforms.functional import gaussian_blur

from mmdino.tables import SEQUENCES

CROP, MINIMUM = 96, 500


def sample(folder: Path, rng: np.random.Generator, views: list[tuple[int, tuple[float, float], float, bool]]) -> list:
    """Return the views (S, size, size) float64 of a patient's folder; a view is size, scale, blur and gamma."""
    tumour = np.asarray(nib.load(folder / f"{folder.name}_seg.nii.gz").get_fdata())
    volumes = [np.asarray(nib.load(folder / f"{folder.name}_{name}.nii.gz").get_fdata()) for name in SEQUENCES]
    axis = int(rng.integers(3))
    counts = (tumour > 0).sum(axis=tuple(other for other in range(3) if other != axis))
    enough = np.flatnonzero(counts >= MINIMUM)
    number = int(rng.choice(enough)) if len(enough) else int(counts.argmax())
    plane = tumour.take(number, axis) > 0
    row, column = (
        int(np.clip(centre - CROP // 2, 0, max(length - CROP, 0)))
        for centre, length in zip(np.argwhere(plane).mean(axis=0), plane.shape)
    )
    inside = (slice(row, row + CROP), slice(column, column + CROP))
    image = np.stack([_scaled(volume.take(number, axis)[inside]) for volume in volumes])
    return [_view(torch.from_numpy(image), plane[inside], rng, *view) for view in views]


def _scaled(crop: np.ndarray) -> np.ndarray:
    low, high = np.percentile(crop, (1, 99))
    return np.clip((crop - low) / max(high - low, 1e-8), 0, 1)


def _view(
    image: torch.Tensor,
    tumour: np.ndarray,
    rng: np.random.Generator,
    size: int,
    scale: tuple[float, float],
    blur: float,
    gamma: bool,
) -> torch.Tensor:
    centre = rng.permutation(np.argwhere(tumour))[0]
    height = rng.uniform(*scale) * image.shape[1]
    sides = np.clip(np.rint([height, height * rng.uniform(3 / 4, 4 / 3)]), 1, image.shape[1:]).astype(int)
    top, left = np.clip(centre - sides // 2, 0, np.array(image.shape[1:]) - sides)
    cut = image[:, top : top + sides[0], left : left + sides[1]]
    view = F.interpolate(cut[None], size=(size, size), mode="bicubic", antialias=True)[0].clamp(0, 1)
    if rng.random() < 0.5:
        view = view.flip(-1)
    if rng.random() < blur:
        view = gaussian_blur(view, [9, 9], [float(rng.uniform(0.1, 1))] * 2)
    if gamma:
        view = view ** float(rng.uniform(0.75, 1.5))
    return torch.where(view != 0, (view - 0.45) / 0.22, view)
