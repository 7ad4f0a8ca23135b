"""The batches of the starter: two planes of each patient, cut, mirrored and disturbed; a function of seed and step."""

import numpy as np
import torch

from mmdino.files import stable_hash
from mmdino.methods.common.augment import blurring, normalise, resampling, separable
from mmdino.starter.objective import draw_kept, local_targets
from mmdino.starter.planes import PLANES, SIDE, Planes

SIZE = 98


def draw_batch(planes: Planes, wanted: np.ndarray, patients: int, patch: int, seed: int, step: int):
    """Return views (2B, 4, SIZE, SIZE), kept tokens, plane targets and local targets of a step, of B ``patients``."""
    rng = np.random.default_rng(stable_hash("starter", seed, step))
    who = rng.choice(len(planes.images), patients, replace=False)
    first = rng.integers(PLANES, size=patients)
    second = (first + rng.integers(1, PLANES, size=patients)) % PLANES
    rows, plane = np.concatenate([who, who]), np.concatenate([first, second])
    count = len(rows)
    crops = np.concatenate([planes.images[rows, plane], 255 * planes.tumour[rows, plane][:, None]], axis=1)
    clean = _cut(torch.from_numpy(crops.astype(np.float32) / 255), rng)
    local = local_targets(clean[:, :4], clean[:, 4:], patch)
    views = _disturb(clean[:, :4], rng)
    generator = torch.Generator().manual_seed(stable_hash("kept", seed, step))
    patches = (SIZE // patch) ** 2
    kept = draw_kept(generator, count, patches, keep=2 * patches)
    return views, kept, torch.from_numpy(wanted[rows, plane]), local


def _cut(crops: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Cut a random part of each crop (B, C, SIDE, SIDE), mirrored half of the time, as (B, C, SIZE, SIZE)."""
    count = len(crops)
    sides = np.rint(rng.uniform(0.7, 1.0, count)[:, None] * SIDE * np.exp(rng.uniform(-0.1, 0.1, (count, 2))))
    sides = np.clip(sides, 48, SIDE).astype(np.int64)
    corner = np.rint((rng.random((count, 2)) * 0.6 + 0.2) * (SIDE - sides)).astype(np.int64)
    top, left, height, width = torch.from_numpy(np.concatenate([corner, sides], axis=1).T.copy())
    rows, columns = resampling(top, height, SIDE, SIZE), resampling(left, width, SIDE, SIZE)
    flip = torch.from_numpy(rng.random(count) < 0.5)[:, None, None]
    return separable(crops, torch.where(flip, rows.flip(1), rows), columns).clamp_(0, 1)


def _disturb(clean: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Add what scanners differ in, drawn for each image and sequence: noise, gamma, blur; then normalise."""
    count = len(clean)
    noise = torch.from_numpy(rng.uniform(0, 0.06, (count, 4, 1, 1)).astype(np.float32))
    noise = noise * torch.from_numpy(rng.standard_normal(clean.shape, np.float32))
    gamma = torch.from_numpy(rng.uniform(0.75, 1.4, (count, 4, 1, 1)).astype(np.float32))
    views = torch.where(clean > 0, (clean + noise).clamp(0, 1) ** gamma, 0)
    sigma = torch.from_numpy(np.where(rng.random(count) < 0.4, rng.uniform(0.3, 1.2, count), 0.05))
    blur = blurring(sigma, SIZE)
    return normalise(separable(views, blur, blur))
