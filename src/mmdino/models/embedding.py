"""From images to patch tokens: the shared patch projection and the position embedding (method.md, Model)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PatchEmbed(nn.Module):
    """DINOv2's linear patch projection, applied to a grey image as if it stood in all three colour channels."""

    def __init__(self, dim: int, patch: int):
        super().__init__()
        self.patch = patch
        self.proj = nn.Conv2d(3, dim, patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        """Map grey images (B, H, W) to tokens (B, N, D), rows first."""
        grey = self.proj.weight.sum(dim=1, keepdim=True)  # grey ×3 through the projection, at a third of the cost
        return F.conv2d(images[:, None], grey, self.proj.bias, stride=self.patch).flatten(2).transpose(1, 2)


class ConvPatchEmbed(PatchEmbed):
    """The starter's stem: the linear projection plus what two small convolutions see *within* each patch.

    A small network has no time to learn texture from a linear projection alone. No pixel of one patch reaches the
    token of another, so that masking a patch still hides it entirely.
    """

    def __init__(self, dim: int, patch: int, channels: int = 16):
        super().__init__(dim, patch)
        self.conv1 = nn.Conv2d(1, channels, 3)
        self.conv2 = nn.Conv2d(channels, channels, 3)
        self.pool = nn.Linear(4 * channels, dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, images: Tensor) -> Tensor:
        """Map grey images (B, H, W) to tokens (B, N, D), rows first."""
        return self.embed_patches(cut_patches(images, self.patch))

    def embed_patches(self, patches: Tensor) -> Tensor:
        """Map patches (B, N, p, p) to tokens (B, N, D)."""
        batch, count, side, _ = patches.shape
        pixels = patches.reshape(-1, 1, side, side)
        fine = F.gelu(self.conv1(pixels))
        coarse = F.gelu(self.conv2(fine))
        seen = torch.cat([part for x in (fine, coarse) for part in (x.mean((2, 3)), x.amax((2, 3)))], dim=1)
        grey = self.proj.weight.sum(dim=1).flatten(1)
        tokens = F.linear(pixels.flatten(1), grey, self.proj.bias) + self.pool(seen)
        return self.norm(tokens).reshape(batch, count, -1)


def cut_patches(images: Tensor, side: int) -> Tensor:
    """Cut images (B, H, W) into patches (B, N, side, side), rows first."""
    batch, height, width = images.shape
    rows, columns = height // side, width // side
    return images.reshape(batch, rows, side, columns, side).transpose(2, 3).reshape(batch, -1, side, side)


def interpolate_positions(pos_embed: Tensor, rows: int, columns: int, antialias: bool = False) -> Tensor:
    """Resize the patch positions of ``pos_embed`` (1, 1+G², D) to (1, rows·columns, D).

    Bicubic by ``scale_factor = (g + 0.1) / G`` without antialiasing, as DINOv2 does; interpolating to ``size=``
    instead gives other values (by up to .8). ``antialias``: to ``size=`` with antialiasing, as DINOv2 with registers.
    """
    patches = pos_embed[:, 1:]
    dim = patches.shape[-1]
    side = math.isqrt(patches.shape[1])
    if (rows, columns) == (side, side):
        return patches
    grid = patches.float().reshape(1, side, side, dim).permute(0, 3, 1, 2)
    if antialias:
        resized = F.interpolate(grid, size=(rows, columns), mode="bicubic", antialias=True)
    else:
        scale = ((rows + 0.1) / side, (columns + 0.1) / side)
        resized = F.interpolate(grid, scale_factor=scale, mode="bicubic")
    return resized.permute(0, 2, 3, 1).reshape(1, rows * columns, dim).to(pos_embed.dtype)
