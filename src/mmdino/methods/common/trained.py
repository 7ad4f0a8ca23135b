"""What every method that trains a ViT does alike: who is drawn, how labels weigh, AdamW and its schedules, clipping."""

import sys

import torch
from torch import Tensor

from mmdino.methods.base import Run, Trainable
from mmdino.methods.common.draws import Sampler
from mmdino.methods.common.network import HeadedViT
from mmdino.methods.common.optimise import adamw, clip, learning_parameters, set_rates, training_class_weights
from mmdino.methods.common.schedules import Cosine
from mmdino.methods.common.settings import TrainingSettings


class TrainedViT(Trainable):
    """A ViT under :class:`TrainingSettings`; a method adds its batch, its losses and what is read out.

    Args:
        run: settings, seed, patients.
        student: the network that the optimiser moves.
        sampler: the patients of each step.
    """

    shares_batch = True
    optimizer: torch.optim.AdamW

    def __init__(self, run: Run, student: HeadedViT, sampler: Sampler):
        s: TrainingSettings = run.settings
        self.run, self.student, self.sampler = run, student, sampler
        self.steps, self.evaluate_every, self.select_by = s.steps, s.evaluate_every, s.select_by
        self.precision, self.compile = s.precision, s.compile
        depth = student.backbone.shape.depth
        self.optimizer = adamw(student.named_parameters(), depth, s.layer_decay, s.patch_embed_lr)
        self._backbone = learning_parameters(student.backbone)
        self._lr = Cosine(s.lr, s.lr_end, s.steps, s.warmup_steps)
        self._weight_decay = Cosine(s.weight_decay, s.weight_decay_end, s.steps)
        self._frozen_for_ever = False

    def schedule(self, step: int) -> dict[str, float]:
        """Set the rates of ``step``, and whether the backbone learns."""
        lr, weight_decay = self._lr(step), self._weight_decay(step)
        set_rates(self.optimizer, lr, weight_decay, self.last_layer_lr(step, lr))
        learns = step >= self.run.settings.freeze_backbone_steps and not self._frozen_for_ever
        for parameter in self._backbone:
            parameter.requires_grad_(learns)
        return {"lr": lr, "weight_decay": weight_decay}

    def last_layer_lr(self, step: int, lr: float) -> float:
        """Return the last layer's rate at ``step``, where the others' is ``lr``."""
        return lr

    def draws(self, step: int) -> int:
        """Return the counter that seeds drop-path; as released it begins anew after each look at validation."""
        s: TrainingSettings = self.run.settings
        return step % s.evaluate_every if s.drop_path_draws == "released" and s.evaluate_every else step

    def resumed(self, step: int) -> None:
        """Go on as if nothing had been; as released, with the backbone frozen and the first patients again."""
        if self.run.settings.resume == "released":
            print("resume: released: the backbone stays frozen from here on, and the data begin anew", file=sys.stderr)
            self._frozen_for_ever, self.sampler.first = True, step

    def clip(self) -> None:
        """Clip the backbone's and each head's gradients, each on its own."""
        clip(self.student.children(), self.run.settings.clip)


def class_weight(run: Run, sampler: Sampler) -> Tensor | None:
    """Return the weight of each class (C,) by the training set, or None where each batch's frequencies weigh.

    Raises:
        UserError: a class has no labelled training patient.
    """
    weight = training_class_weights(run.patients, sampler.subjects)
    return {"train": weight, "none": torch.ones_like(weight), "batch": None}[run.settings.class_weight]
