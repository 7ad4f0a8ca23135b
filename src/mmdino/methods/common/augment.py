"""Augmentations of many crops at once: a view's geometry is a pair of small matrices, applied as rows · image · colsᵀ.

A resize (bicubic, antialiased), a flip and a blur are all linear and separable, so that n views of S sequences cost a
few batched matrix products instead of n · S calls.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MEAN, STD = 0.45, 0.22
KERNEL = 9  # pixels of the blur


@dataclass(frozen=True)
class Draws:
    """What was drawn for each of n views.

    Attributes:
        box: (n, 4) int: top, left, height, width in pixels of the source.
        flip: (n,) bool: mirrored along the rows (left–right in axial and coronal crops).
        sigma: (n,) blur in pixels of the view; 0 = none.
        gamma: (n,) exponent; 1 = none.
        flip_columns: (n,) bool: mirrored along the columns, as in the released code; None: none is.
    """

    box: NDArray[np.int64]
    flip: NDArray[np.bool_]
    sigma: NDArray[np.float64]
    gamma: NDArray[np.float64]
    flip_columns: NDArray[np.bool_] | None = None

    @classmethod
    def joined(cls, parts: Sequence["Draws"]) -> "Draws":
        """Return what was drawn for the views of several kinds, one kind after the other."""
        columns = [part.flip_columns for part in parts if part.flip_columns is not None]
        return cls(
            np.concatenate([part.box for part in parts]),
            np.concatenate([part.flip for part in parts]),
            np.concatenate([part.sigma for part in parts]),
            np.concatenate([part.gamma for part in parts]),
            np.concatenate(columns) if columns else None,
        )

    @classmethod
    def whole(cls, count: int, source: int) -> "Draws":
        """Return the whole crop, unaltered: the evaluation view."""
        box = np.tile(np.array([0, 0, source, source]), (count, 1))
        return cls(box, np.zeros(count, bool), np.zeros(count), np.ones(count))


def render(images: Tensor, draws: Draws, size: int) -> Tensor:
    """Return views (n, S, size, size), normalised, of crops (n, S, H, H) in [0, 1]; background stays exactly 0.

    Crops may have planes, (n, S, planes, H, H), and views then have them too: all move together. Computed where the crops
    are; what was drawn stays on the CPU, so that nothing waits for a GPU.
    """
    leading, device = images.shape[1:-2], images.device
    images = images.flatten(1, -3)
    top, left, height, width = torch.from_numpy(draws.box.T).to(device)
    source = images.shape[-1]
    rows, columns = resampling(top, height, source, size), resampling(left, width, source, size)
    rows = _flipped(rows, draws.flip)
    if draws.flip_columns is not None:
        columns = _flipped(columns, draws.flip_columns)
    views = separable(images, rows, columns).clamp_(0, 1)
    if draws.sigma.any():
        blurred = torch.from_numpy(np.flatnonzero(draws.sigma)).to(device)
        blur = blurring(torch.from_numpy(draws.sigma[draws.sigma != 0]).to(device), size)
        views[blurred] = separable(views[blurred], blur, blur)
    if (draws.gamma != 1).any():
        bent = torch.from_numpy(np.flatnonzero(draws.gamma != 1)).to(device)
        gamma = torch.from_numpy(draws.gamma[draws.gamma != 1]).to(views)
        views[bent] = views[bent].pow(gamma[:, None, None, None])
    return normalise(views).unflatten(1, leading)


def _flipped(weights: Tensor, flip: NDArray[np.bool_]) -> Tensor:
    return torch.where(torch.from_numpy(flip).to(weights.device)[:, None, None], weights.flip(1), weights)


def normalise(views: Tensor, mean: float = MEAN, std: float = STD) -> Tensor:
    """Return (x − mean) / std where x is not 0, else 0."""
    return torch.where(views == 0, views, (views - mean) / std)


def separable(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Return rows (n, h, H) · images (n, S, H, W) · columnsᵀ (n, w, W) as (n, S, h, w)."""
    n, sequences, height, width = images.shape
    across = torch.bmm(images.reshape(n, sequences * height, width), columns.transpose(1, 2))
    return torch.matmul(rows[:, None], across.view(n, sequences, height, -1))


def resampling(start: Tensor, length: Tensor, source: int, size: int) -> Tensor:
    """Return weights (n, size, source) of a bicubic resize of ``length`` pixels from ``start`` to ``size``.

    As ``torch.nn.functional.interpolate(mode="bicubic", antialias=True)`` of the cut-out: a = −1/2, no pixel outside.
    """
    start, length = start.double()[:, None, None], length.double()[:, None, None]
    step = length / size
    centre = start + (torch.arange(size, dtype=torch.double, device=step.device)[:, None] + 0.5) * step
    pixel = torch.arange(source, dtype=torch.double, device=step.device)
    weights = _cubic((pixel + 0.5 - centre) / step.clamp_min(1))
    weights = weights * ((pixel >= start) & (pixel < start + length))
    return (weights / weights.sum(2, keepdim=True)).float()


def _cubic(x: Tensor) -> Tensor:
    """Return Keys' cubic kernel with a = −1/2."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def blurring(sigma: Tensor, size: int) -> Tensor:
    """Return weights (n, size, size) of a Gaussian of ``KERNEL`` pixels, reflected at the borders."""
    offsets = torch.arange(KERNEL, device=sigma.device) - KERNEL // 2
    kernel = torch.exp(-0.5 * (offsets / sigma[:, None].double()) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    at = (torch.arange(size, device=sigma.device)[:, None] + offsets).abs()
    at = torch.where(at >= size, 2 * (size - 1) - at, at)
    matrix = torch.zeros(len(sigma), size, size, dtype=torch.double, device=sigma.device)
    matrix.scatter_add_(2, at.expand(len(sigma), -1, -1), kernel[:, None].expand(-1, size, -1))
    return matrix.float()
