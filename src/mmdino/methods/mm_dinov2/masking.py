"""What the student may not see: blocks of patches (the same in all sequences), and whole sequences.

Masks address (sequence × patch) tokens, sequences in the order of the method's settings: token = sequence · N + patch.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from mmdino.config.sources import Rule

FullModality = Literal["none", "one", "uniform"]


def block_mask(rng: np.random.Generator, side: int, wanted: int, least: int = 4, aspect: float = 0.3) -> np.ndarray:
    """Return (side, side) bool with about ``wanted`` patches masked in rectangles.

    Rectangles have at least ``least`` patches where there is room, at most half of the grid, and aspect ratios
    log-uniform in aspect…1/aspect; ten failures in a row end the search. Source: DINOv2, `dinov2/data/masking.py`.
    """
    mask = np.zeros((side, side), dtype=bool)
    while (room := min(wanted - int(mask.sum()), side * side // 2)) > 0:
        for _ in range(10):
            area = least + (room - least) * rng.random()
            ratio = math.exp(rng.uniform(math.log(aspect), -math.log(aspect)))
            height, width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if height >= side or width >= side:
                continue
            top, left = rng.integers(0, side - height + 1), rng.integers(0, side - width + 1)
            block = mask[top : top + height, left : left + width]
            if 0 < block.size - block.sum() <= room:
                block[:] = True
                break
        else:
            break
    return mask


def block_masks(
    rng: np.random.Generator, crops: int, side: int, probability: float, ratio: tuple[float, float]
) -> np.ndarray:
    """Return (crops, side²) bool: a share ``probability`` of them masked, by strata of ``ratio``, shuffled."""
    masked = int(crops * probability)
    strata = np.linspace(*ratio, masked + 1)
    masks = np.zeros((crops, side * side), dtype=bool)
    for i in range(masked):
        wanted = int(side * side * rng.uniform(strata[i], strata[i + 1]))
        masks[i] = block_mask(rng, side, wanted).ravel()
    return rng.permutation(masks)


def hidden_sequences(rng: np.random.Generator, present: np.ndarray, full_modality: FullModality) -> np.ndarray:
    """Return which sequences to hide (crops, S) among those ``present`` (crops, S); one always stays visible."""
    hidden = np.zeros_like(present)
    if full_modality == "none":
        return hidden
    for row, available in zip(hidden, present):
        names = np.flatnonzero(available)
        most = len(names) - 1
        count = min(1, most) if full_modality == "one" else rng.integers(0, most + 1)
        row[rng.permutation(names)[:count]] = True
    return hidden


@dataclass(frozen=True)
class Masks:
    """Masks of a batch's 2B global crops.

    Attributes:
        student: (2B, S·N) tokens replaced by the mask token: blocks, hidden sequences, and absent ones.
        absent: (2B, S·N) tokens of sequences that the patient does not have; the teacher's mask.
        indices: (M,) flat positions in (2B, S·N) of the tokens that the iBOT loss reads: masked, but not absent.
        weight: (M,) 1 / (such tokens of the crop).
    """

    student: Tensor
    absent: Tensor
    indices: Tensor
    weight: Tensor

    def of_views(self, rows: slice, patients: int) -> "Masks":
        """Return the masks of some patients' two views, out of those of ``patients`` patients."""
        crops, tokens = self.student.shape
        chosen = torch.arange(crops).view(2, patients)[:, rows].flatten()
        crop = self.indices // tokens
        place = torch.full((crops,), -1).scatter(0, chosen, torch.arange(len(chosen)))[crop]
        mine = place >= 0
        return Masks(
            self.student[chosen],
            self.absent[chosen],
            (place * tokens + self.indices % tokens)[mine],
            self.weight[mine],
        )

    @classmethod
    def of(cls, target: np.ndarray, absent: np.ndarray) -> "Masks":
        """Return the masks of tokens to predict and of absent ones, (2B, S·N) bool each, without overlap."""
        count = target.sum(1)
        return cls(
            student=torch.from_numpy(target | absent),
            absent=torch.from_numpy(absent),
            indices=torch.from_numpy(np.flatnonzero(target)),
            weight=torch.from_numpy(np.repeat(1 / np.maximum(count, 1), count).astype(np.float32)),
        )


def combine(blocks: np.ndarray, hidden: np.ndarray, present: np.ndarray, rule: Rule = "mended") -> Masks:
    """Return the union of block masks (2B, N), hidden sequences (2B, S) and absent ones, as token masks.

    ``released``: where no sequence is hidden, indices count the tokens of one sequence a crop, as the released code's
    do, but are used on all sequences' tokens: most of what the iBOT loss then reads was never masked.
    """
    absent = np.repeat(~present, blocks.shape[1], axis=1)
    whole = np.repeat(hidden, blocks.shape[1], axis=1)
    masks = Masks.of((np.tile(blocks, (1, present.shape[1])) | whole) & ~absent, absent)
    if rule == "released" and not hidden.any():
        wrong = Masks.of(blocks, np.zeros_like(blocks))
        return replace(masks, indices=wrong.indices, weight=wrong.weight)
    return masks
