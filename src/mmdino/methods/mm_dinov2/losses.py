"""The losses of MM-DINOv2, each a function of scores; V views, B patients, K prototypes, C classes.

Source: DINOv2's `dinov2/loss/` and MM-DINOv2's released trainer; docs/method.md gives the equations.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def cross_entropy(student: Tensor, target: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy (…,) of student scores (…, K) with target probabilities (…, K)."""
    return -(target * F.log_softmax(student / temperature, dim=-1)).sum(-1)


def dino_loss(student: Tensor, target: Tensor, temperature: float, swapped: bool = False) -> Tensor:
    """Return the sum over pairs of a student view and a teacher view of the cross-entropy's mean over patients.

    Args:
        student: scores (V, B, K).
        target: the teacher's probabilities (2, B, K) for its two global views.
        temperature: the student's.
        swapped: the student's views are the two global ones; each is compared with the teacher's other one alone.
    """
    if swapped:
        return cross_entropy(student, target.flip(0), temperature).mean(-1).sum()
    return cross_entropy(student[:, None], target[None], temperature).mean(-1).sum()


def ibot_loss(student: Tensor, target: Tensor, weight: Tensor, crops: int, temperature: float) -> Tensor:
    """Return the masked tokens' cross-entropy: summed with ``weight`` (1 / masked tokens of the crop), over ``crops``.

    Args:
        student: scores (M, K) of the student's masked tokens.
        target: the teacher's probabilities (M, K) for the same tokens.
        weight: (M,).
        crops: how many crops the batch holds, those without a mask included.
        temperature: the student's.
    """
    return (cross_entropy(student, target, temperature) * weight).sum() / crops


def koleo_loss(features: Tensor) -> Tensor:
    """Return minus the mean log distance of each of (B, D) to its nearest neighbour on the unit sphere (B ≥ 2).

    Source: Sablayrolles et al., Spreading vectors for similarity search, ICLR 2019.
    """
    with torch.autocast(features.device.type, enabled=False):  # bf16 can't tell near neighbours apart
        x = F.normalize(features.float(), dim=-1, eps=1e-8)
        nearest = (x @ x.T).detach().fill_diagonal_(-1).argmax(1)
        distance = F.pairwise_distance(x, x[nearest], p=2, eps=1e-8)
        return -torch.log(distance + 1e-8).mean()


def supervised_loss(
    views: Sequence[Tensor], labels: Tensor, weight: Tensor, temperature: float, smoothing: float
) -> Tensor:
    """Return the classes' weighted cross-entropy: mean over labelled patients, then over all views; 0 without a label.

    Args:
        views: scores, each (V, B, ≥ C), of which the first C are the classes.
        labels: (B,) in 0…C-1, −1 where unlabelled.
        weight: (C,) per class; not normalised (torch's own mean would divide by the weights' sum).
        temperature: divides the scores.
        smoothing: label smoothing.
    """
    known = labels >= 0
    if not known.any():
        return views[0].sum() * 0.0
    each = [
        F.cross_entropy(
            view[known, : len(weight)] / temperature, labels[known], weight, label_smoothing=smoothing, reduction="none"
        ).mean()
        for stack in views
        for view in stack
    ]
    return torch.stack(each).mean()


class Centring(nn.Module):
    """Teacher probabilities by a running mean of its scores; iteration k uses the batches before it (lazy)."""

    centre: Tensor

    def __init__(self, prototypes: int, momentum: float = 0.9):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("centre", torch.zeros(prototypes))

    @torch.no_grad()
    def forward(self, scores: Tensor, temperature: float) -> Tensor:
        """Return probabilities of scores (N, K), and move the centre for the next call."""
        target = F.softmax((scores - self.centre) / temperature, dim=-1)
        if len(scores):
            self.centre.mul_(self.momentum).add_(scores.float().mean(0), alpha=1 - self.momentum)
        return target


class SinkhornKnopp(nn.Module):
    """Teacher probabilities by balancing the batch over the prototypes (three iterations, as in DINOv2)."""

    @torch.no_grad()
    def forward(self, scores: Tensor, temperature: float) -> Tensor:
        """Return probabilities of scores (N, K) whose columns each hold about N / K."""
        if not len(scores):
            return scores
        scaled = scores.float() / temperature
        q = torch.exp(scaled - scaled.max())
        for _ in range(3):
            q = q / q.sum(0, keepdim=True).clamp_min(1e-12) / q.shape[1]
            q = q / q.sum(1, keepdim=True).clamp_min(1e-12) / q.shape[0]
        return q * q.shape[0]
