"""The multi-modal ViT: DINOv2 that reads any named subset of MRI sequences (paper, Section 2; method.md, Model)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdino.errors import UserError, nearest
from mmdino.models.embedding import ConvPatchEmbed, PatchEmbed, interpolate_positions
from mmdino.models.layers import Block
from mmdino.tables import SEQUENCES


@dataclass(frozen=True)
class ViTShape:
    """The size of a network.

    Attributes:
        dim, depth, heads, patch: of the transformer (ViT-B/14: 768, 12, 12, 14).
        grid: side of the position grid; 37 in DINOv2's checkpoints.
        registers: further tokens after CLS that belong to no patch (DINOv2 with registers: 4).
        ffn: ``mlp``, or ``swiglu`` (ViT-g).
        stem: ``linear`` (DINOv2's) or ``conv`` (the starter's).
        imgwise: positions per sequence (the paper's); False stacks the sequences as one tall image ("concatenation").
        modality_embedding: add the unit-length embedding of the sequence to its patch tokens.
        layer_scale: initial LayerScale.
        drop_path: rate of skipped residual branches, the same in every block.
    """

    dim: int = 768
    depth: int = 12
    heads: int = 12
    patch: int = 14
    grid: int = 37
    stem: str = "linear"
    imgwise: bool = True
    modality_embedding: bool = True
    layer_scale: float = 1e-5
    drop_path: float = 0.0
    registers: int = 0
    ffn: str = "mlp"


@dataclass(frozen=True)
class Tokens:
    """Normalised output tokens: ``cls`` (B, D), ``patches`` (B, S·N, D) in the order of the given sequences."""

    cls: Tensor
    patches: Tensor


class MultiModalViT(nn.Module):
    """One CLS token over the patch tokens of all given sequences."""

    def __init__(self, shape: ViTShape):
        super().__init__()
        self.shape = shape
        stem = {"linear": PatchEmbed, "conv": ConvPatchEmbed}[shape.stem]
        self.patch_embed = stem(shape.dim, shape.patch)
        self.cls_token = nn.Parameter(torch.randn(1, 1, shape.dim) * 1e-6)
        self.pos_embed = nn.Parameter(torch.randn(1, 1 + shape.grid**2, shape.dim) * _spread(shape.dim))
        self.mask_token = nn.Parameter(torch.zeros(1, shape.dim))
        if shape.registers:
            self.register_tokens = nn.Parameter(torch.randn(1, shape.registers, shape.dim) * 1e-6)
        if shape.modality_embedding:
            self.mri_seq_embed = nn.Embedding(len(SEQUENCES), shape.dim)
        self.blocks = nn.ModuleList(
            Block(shape.dim, shape.heads, shape.layer_scale, shape.drop_path, shape.ffn) for _ in range(shape.depth)
        )
        self.norm = nn.LayerNorm(shape.dim, eps=1e-6)
        self.apply(_initialise)

    def project(self, images: Tensor) -> Tensor:
        """Return the bare patch tokens (B, S, N, D) of images (B, S, H, W): what masks and positions are applied to."""
        return self.patch_embed(images.flatten(0, 1)).unflatten(0, images.shape[:2])

    def embed(
        self,
        images: Tensor,
        sequences: Sequence[str],
        masks: Tensor | None = None,
        patches: Tensor | None = None,
        stack: Sequence[str] | None = None,
    ) -> Tensor:
        """Return the embedded tokens (B, 1 + R + S·N, D) before the first block; arguments as in :meth:`forward`."""
        self._check(images, sequences, masks)
        batch, channels, height, width = images.shape
        rows, columns = height // self.shape.patch, width // self.shape.patch
        tokens = self.project(images) if patches is None else patches
        if masks is not None:
            tokens = torch.where(masks.reshape(batch, channels, -1, 1), self.mask_token.to(tokens.dtype), tokens)
        if self.shape.imgwise:
            tokens = tokens + self._positions(rows, columns)[:, None]
        else:
            whole = list(sequences if stack is None else stack)
            tall = self._positions(len(whole) * rows, columns).reshape(1, len(whole), rows * columns, -1)
            tokens = tokens + tall[:, [whole.index(name) for name in sequences]]
        if self.shape.modality_embedding:
            which = torch.tensor([SEQUENCES.index(name) for name in sequences], device=images.device)
            tokens = tokens + F.normalize(self.mri_seq_embed(which), dim=-1)[None, :, None]
        cls = (self.cls_token + self.pos_embed[:, :1]).expand(batch, -1, -1)
        first = [cls, self.register_tokens.expand(batch, -1, -1)] if self.shape.registers else [cls]
        return torch.cat([*first, tokens.flatten(1, 2)], dim=1)

    def _positions(self, rows: int, columns: int) -> Tensor:
        return interpolate_positions(self.pos_embed, rows, columns, antialias=self.shape.registers > 0)

    def forward(
        self,
        images: Tensor,
        sequences: Sequence[str],
        masks: Tensor | None = None,
        patches: Tensor | None = None,
        stack: Sequence[str] | None = None,
    ) -> Tokens:
        """Encode images.

        Args:
            images: (B, S, H, W), H and W multiples of the patch.
            sequences: the names of the S channels, in their order.
            masks: (B, S·N) bool; True replaces that patch by the mask token. None: nothing is masked.
            patches: what :meth:`project` gave for these images, where it is at hand already.
            stack: where sequences are stacked as one tall image, those of the whole image, so that each keeps its place
                in it when others are left out. None: ``sequences`` are the whole.

        Raises:
            UserError: an unknown or repeated sequence, a wrong number of them, a size that is no multiple of the patch,
                images of another dtype than the weights, or masks of another shape or dtype.
        """
        return self.encode(self.embed(images, sequences, masks, patches, stack))

    def encode(self, tokens: Tensor) -> Tokens:
        """Run the blocks over embedded tokens (B, 1 + R + T, D), CLS and registers first."""
        for block in self.blocks:
            tokens = block(tokens)
        tokens = self.norm(tokens)
        return Tokens(tokens[:, 0], tokens[:, 1 + self.shape.registers :])

    def _check(self, images: Tensor, sequences: Sequence[str], masks: Tensor | None) -> None:
        batch, channels, height, width = images.shape
        for name in sequences:
            if name not in SEQUENCES:
                raise UserError(f"unknown sequence '{name}'{nearest(name, SEQUENCES)}")
        if len(set(sequences)) != channels or len(sequences) != channels:
            raise UserError(
                f"{channels} image channels, but the sequences named are {', '.join(sequences)}; name each once"
            )
        if height % self.shape.patch or width % self.shape.patch:
            raise UserError(
                f"images of {height}×{width}: both sides must be multiples of the patch, {self.shape.patch}"
            )
        tokens = channels * (height // self.shape.patch) * (width // self.shape.patch)
        if masks is not None and (masks.dtype != torch.bool or masks.shape != (batch, tokens)):
            raise UserError(
                f"masks are {tuple(masks.shape)} of {masks.dtype}; one torch.bool a token is wanted, {(batch, tokens)}"
            )
        weights = self.patch_embed.proj.weight.dtype
        if images.dtype != weights and not torch.is_autocast_enabled(images.device.type):
            raise UserError(
                f"images are {images.dtype} and the weights {weights}; convert one of them, or compute under autocast"
            )


def _spread(inputs: int) -> float:
    """DINOv2's .02 at a width of 768, kept in proportion: at 128 a fixed .02 would leave the blocks without effect."""
    return 0.02 * math.sqrt(768 / inputs)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=_spread(module.in_features))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
