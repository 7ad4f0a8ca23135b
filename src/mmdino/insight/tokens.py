"""What a ViT computes on the way to its answer: attention of CLS in every block, and the patch tokens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from mmdino.dataset.bank import Slices
from mmdino.methods.common.network import ViTEncoder
from mmdino.models.layers import Attention
from mmdino.models.vit import MultiModalViT
from mmdino.tables import SEQUENCES

BATCH = 32
IN_BRAIN = 0.25  # share of a patch's voxels above 0, from which on it counts as brain


@dataclass(frozen=True)
class Watched:
    """Some patients as the network saw them: N patients, B blocks, S sequences, a g × g grid of patches.

    Attributes:
        attention: (N, B, S, g, g) float32, of CLS to patches, the mean over heads.
        patches: (N, S, g, g, D) float16, normalised output tokens.
        brain: (N, g, g) bool.
        tumour: (N, g, g) float32, share of the patch that is tumour.
    """

    attention: NDArray[np.float32]
    patches: NDArray[np.float16]
    brain: NDArray[np.bool_]
    tumour: NDArray[np.float32]


def watch(encoder: ViTEncoder, slices: Slices) -> Watched:
    """Return what the network does with whole slices of patients who have all of its sequences."""
    parts = [_watch(encoder, slices.take(rows)) for rows in _batches(len(slices))]
    return Watched(*(np.concatenate(values) for values in zip(*(vars(part).values() for part in parts))))


def _batches(patients: int) -> list[NDArray[np.intp]]:
    return np.array_split(np.arange(patients), max(1, -(-patients // BATCH)))


def _watch(encoder: ViTEncoder, slices: Slices) -> Watched:
    backbone, count = encoder.network.backbone, len(encoder.settings.sequences)
    with _listening(backbone) as (attention, tokens):
        encoder.features(slices, SEQUENCES)
    first = 1 + backbone.shape.registers
    grid = round(((tokens[0].shape[1] - first) / count) ** 0.5)
    by_block = torch.stack(attention, dim=1)[:, :, first:].unflatten(2, (count, grid, grid))
    patches = tokens[0][:, first:].unflatten(1, (count, grid, grid))
    head = torch.from_numpy((slices.images.max(axis=1) > 0).astype(np.float32))
    brain = F.adaptive_avg_pool2d(head[:, None], grid)[:, 0] >= IN_BRAIN
    tumour = F.adaptive_avg_pool2d(torch.from_numpy(slices.tumour.astype(np.float32))[:, None], grid)[:, 0]
    return Watched(by_block.numpy(), patches.half().numpy(), brain.numpy(), tumour.numpy())


@contextmanager
def _listening(backbone: MultiModalViT) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
    """Collect, while the backbone is asked, CLS's attention (batch, T) of each block and its output tokens."""
    attention: list[Tensor] = []
    tokens: list[Tensor] = []

    def attend(module: Attention, given: tuple[Tensor]) -> None:
        attention.append(cls_attention(module, given[0]).mean(dim=1).float().cpu())

    def keep(module: torch.nn.Module, given: tuple[Tensor], out: Tensor) -> None:
        tokens.append(out.float().cpu())

    hooks = [block.attn.register_forward_pre_hook(attend) for block in backbone.blocks]  # type: ignore[union-attr]
    hooks.append(backbone.norm.register_forward_hook(keep))
    try:
        yield attention, tokens
    finally:
        for hook in hooks:
            hook.remove()


def cls_attention(module: Attention, x: Tensor) -> Tensor:
    """Return how CLS attends to all tokens, (batch, heads, T), rows sum to 1, for a block's normalised input (batch, T, D)."""
    batch, tokens, dim = x.shape
    q, k, _ = module.qkv(x).reshape(batch, tokens, 3, module.heads, dim // module.heads).permute(2, 0, 3, 1, 4)
    return (q[:, :, :1] @ k.transpose(-2, -1) / (dim // module.heads) ** 0.5).softmax(-1)[:, :, 0]


def embedding_similarity(encoder: ViTEncoder) -> list[list[float]]:
    """Return the cosines (S, S) of the modality embeddings, in the network's order of sequences; empty without any."""
    backbone = encoder.network.backbone
    if not backbone.shape.modality_embedding:
        return []
    rows = [SEQUENCES.index(name) for name in encoder.settings.sequences]
    unit = F.normalize(backbone.mri_seq_embed.weight.detach().float()[rows], dim=-1)
    return (unit @ unit.T).clamp(-1, 1).tolist()
