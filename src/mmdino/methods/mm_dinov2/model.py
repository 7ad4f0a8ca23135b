"""Student and teacher, and what a batch costs them: MM-DINOv2 on tensors, without data or schedules."""

import copy
from dataclasses import dataclass
from typing import Generic

import torch
from torch import Tensor, nn

from mmdino.methods.common.batch import Views
from mmdino.methods.common.network import HeadedViT, token_masks
from mmdino.methods.common.optimise import batch_class_weights
from mmdino.methods.common.processes import gather
from mmdino.methods.common.rank import effective_rank
from mmdino.methods.mm_dinov2 import losses
from mmdino.methods.mm_dinov2.losses import Centring, SinkhornKnopp
from mmdino.methods.mm_dinov2.masking import Masks
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.models.layers import DropPath
from mmdino.tables import CLASSES


@dataclass(frozen=True)
class Batch(Generic[Views]):
    """What one step sees of B patients and S sequences, its views drawn or rendered.

    One of several processes holds its share of them alone.

    Attributes:
        subjects: (B,) whose they are.
        global_crops: (2B, S, H, H), the first view of every patient, then the second.
        local_crops: (L·B, S, h, h), likewise.
        masks: of the global crops.
        absent: (B, S) bool, sequences that the patient lacks.
        labels: (B,) class or −1.
    """

    subjects: list[str]
    global_crops: Views
    local_crops: Views
    masks: Masks
    absent: Tensor
    labels: Tensor


class StudentTeacher(nn.Module):
    """The student, its moving average, and the two running centres.

    Args:
        student: the network; the teacher starts as its copy.
        settings: loss weights, temperatures, centring.
        class_weight: (C,) of the training set; None: of each batch (the released code).
    """

    class_weight: Tensor | None

    def __init__(self, student: HeadedViT, settings: Settings, class_weight: Tensor | None):
        super().__init__()
        self.settings = settings
        self.student = student
        self.teacher = copy.deepcopy(student).requires_grad_(False)
        for module in self.teacher.modules():
            if isinstance(module, DropPath):
                module.probability = 0.0  # the student's alone
        self.dino_target = self._target(settings)
        self.ibot_target = self._target(settings)
        self.register_buffer("class_weight", class_weight)

    @staticmethod
    def _target(settings: Settings) -> nn.Module:
        if settings.centering == "sinkhorn":
            return SinkhornKnopp()
        return Centring(settings.prototypes, settings.centre_momentum)

    def losses(self, batch: Batch[Tensor], teacher_temperature: float) -> dict[str, Tensor]:
        """Return the weighted sum ``loss``, its parts before weighting, and what tells whether the teacher is alive.

        Calling this moves the centres, as an iteration of the method does.
        """
        s = self.settings
        patches = None
        if s.patch_embed_lr == 0:  # student and teacher embed patches alike, for ever
            with torch.no_grad():
                patches = self.student.backbone.project(batch.global_crops)
        target, masked_target = self._teach(batch, teacher_temperature, patches)
        seen = self.student.look(batch.global_crops, s.sequences, batch.masks.student, patches, s.accumulate)
        cls = gather(seen.cls.unflatten(0, (2, -1)), 1)
        scores = gather(self.student.scores(seen.cls).unflatten(0, (2, -1)), 1)
        masked = gather(self.student.patch_scores(seen.patches.flatten(0, 1)[batch.masks.indices]))
        weight, labels = gather(batch.masks.weight), gather(batch.labels)
        parts = {
            "dino_global": losses.dino_loss(scores, target, s.student_temperature, swapped=True) / self._terms,
            "ibot": losses.ibot_loss(masked, masked_target, weight, 2 * len(labels), s.student_temperature),
            "koleo": torch.stack([losses.koleo_loss(view) for view in cls]).sum(),
        }
        views = [scores]
        if s.local_crops:
            views.insert(0, self._look_locally(batch))
            parts["dino_local"] = losses.dino_loss(views[0], target, s.student_temperature) / self._terms
        parts["supervised"] = self._supervise(views, labels)
        share = (labels >= 0).float().mean()
        loss = (
            s.dino_weight * (parts["dino_global"] + parts.get("dino_local", 0.0))
            + s.ibot_weight * parts["ibot"]
            + s.koleo_weight * parts["koleo"]
            + s.supervised_weight * (share if s.supervised_scale == "share" else 1.0) * parts["supervised"]
        )
        return {"loss": loss, **parts, **self._signs_of_life(target, cls)}

    @property
    def _terms(self) -> int:
        """How many pairs of views DINO compares: each local crop with both globals, and the globals with each other."""
        return 2 * self.settings.local_crops + 2

    @torch.no_grad()
    def _teach(self, batch: Batch, temperature: float, patches: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the teacher's probabilities of the global crops (2, B, K) and of the masked tokens (M, K)."""
        s = self.settings
        absent = batch.masks.absent if batch.absent.any() else None
        seen = self.teacher.look(batch.global_crops, s.sequences, absent, patches, s.accumulate)
        scores = gather(self.teacher.scores(seen.cls).unflatten(0, (2, -1)), 1)
        tokens = gather(self.teacher.patch_scores(seen.patches.flatten(0, 1)[batch.masks.indices]))
        target = self.dino_target(scores.flatten(0, 1), temperature)
        return target.unflatten(0, (2, -1)), self.ibot_target(tokens, temperature)

    def _look_locally(self, batch: Batch) -> Tensor:
        """Return the student's scores of the local crops (L, B, K)."""
        s = self.settings
        absent = None
        if batch.absent.any():
            absent = token_masks(batch.absent, batch.local_crops, s).repeat(s.local_crops, 1)
        seen = self.student.look(batch.local_crops, s.sequences, absent, parts=s.accumulate)
        return gather(self.student.scores(seen.cls).unflatten(0, (s.local_crops, -1)), 1)

    def _supervise(self, views: list[Tensor], labels: Tensor) -> Tensor:
        weight = self.class_weight
        if weight is None:
            weight = batch_class_weights(labels, len(CLASSES))
        return losses.supervised_loss(
            views, labels, weight, self.settings.student_temperature, self.settings.label_smoothing
        )

    @torch.no_grad()
    def _signs_of_life(self, target: Tensor, cls: Tensor) -> dict[str, Tensor]:
        """Return what tells a teacher that teaches from one that is flat or has collapsed (docs/method.md, Diagnostics).

        Args:
            target: the teacher's probabilities (2, B, K).
            cls: the student's CLS tokens (2, B, D).
        """
        flat = target.flatten(0, 1)
        signs = {
            "teacher_entropy": torch.special.entr(flat).sum(-1).mean(),
            "usage_entropy": torch.special.entr(flat.mean(0)).sum(),
            "prototypes_used": flat.argmax(-1).unique().numel() * torch.ones(()),
            "feature_rank": effective_rank(cls[0]),
        }
        if isinstance(self.dino_target, Centring):
            signs["centre_norm"] = self.dino_target.centre.norm()
        return signs

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        """Move the teacher towards the student: teacher = momentum · teacher + (1 − momentum) · student."""
        for teacher, student in zip(self.teacher.parameters(), self.student.parameters()):
            teacher.mul_(momentum).add_(student, alpha=1 - momentum)
