"""The network of MM-DINOv2 trained with labels only: cross-entropy on the CLS token of one augmented crop a patient."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdino.methods.base import Run, Trainable
from mmdino.methods.common.draws import Sampler, stream
from mmdino.methods.common.network import (
    HeadedViT,
    ViTEncoder,
    exported,
    read_backbone,
    starting_backbone,
    token_masks,
)
from mmdino.methods.common.optimise import adamw, clip, learning_parameters, set_rates, training_class_weights
from mmdino.methods.common.schedules import Cosine
from mmdino.methods.common.views import View, make_views, read_slices
from mmdino.methods.supervised_vit.settings import Settings
from mmdino.tables import CLASSES


@dataclass(frozen=True)
class Batch:
    """Crops (B, S, H, H), the sequences hidden or absent (B, S) bool, and labels (B,) of named patients."""

    subjects: list[str]
    crops: Tensor
    hidden: Tensor
    labels: Tensor


class SupervisedViT(Trainable):
    """A ViT and a linear layer."""

    network: HeadedViT
    optimizer: torch.optim.AdamW

    def __init__(self, run: Run):
        s: Settings = run.settings
        self.run, self.settings = run, s
        self.steps, self.evaluate_every, self.select_by = s.steps, s.evaluate_every, s.select_by
        self.precision = s.precision
        self.sampler = Sampler(run.patients, run.seed, s.batch, labelled_only=True)
        self.weight = None
        if s.class_weight != "batch":
            self.weight = training_class_weights(run.patients, self.sampler.subjects, equal=s.class_weight == "none")
        backbone = starting_backbone(s, run.seed, s.drop_path)
        self.network = HeadedViT(backbone, _head(backbone.shape.dim, run.seed))
        self.optimizer = adamw(self.network.named_parameters(), backbone.shape.depth, s.layer_decay, s.patch_embed_lr)
        self.backbone = learning_parameters(backbone)
        self.lr = Cosine(s.lr, s.lr_end, s.steps, s.warmup_steps)
        self.weight_decay = Cosine(s.weight_decay, s.weight_decay_end, s.steps)
        self.view = View("global 1", s.global_size, s.global_scale, blur=0.5, gamma=True)

    def batch(self, step: int) -> Batch:
        """Draw labelled patients, a slice and a view of each, and which sequences to hide."""
        s, seed = self.settings, self.run.seed
        turns = self.sampler(step)
        slices = read_slices(self.run.patients.bank, turns, s.sequences, seed)
        subjects = [turn.subject for turn in turns]
        hidden = np.array(
            [
                _hide(stream(seed, "hide", turn.epoch, turn.subject), present, s.sequence_mask_probability)
                for turn, present in zip(turns, slices.present)
            ]
        )
        return Batch(
            subjects,
            make_views(slices, turns, self.view, seed),
            torch.from_numpy(hidden | ~slices.present),
            torch.from_numpy(self.run.patients.targets(subjects)),
        )

    def schedule(self, step: int) -> dict[str, float]:
        """Set the rates of ``step``, and whether the backbone learns."""
        lr, weight_decay = self.lr(step), self.weight_decay(step)
        set_rates(self.optimizer, lr, weight_decay)
        for parameter in self.backbone:
            parameter.requires_grad_(step >= self.settings.freeze_backbone_steps)
        return {"lr": lr, "weight_decay": weight_decay}

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Return the cross-entropy."""
        masks = token_masks(batch.hidden, batch.crops, self.settings) if batch.hidden.any() else None
        scores = self.network.scores(self.network.backbone(batch.crops, self.settings.sequences, masks).cls)
        weight = self.weight.to(scores.device) if self.weight is not None else None
        return {"loss": F.cross_entropy(scores, batch.labels, weight, label_smoothing=self.settings.label_smoothing)}

    def clip(self) -> None:
        """Clip the backbone's and the head's gradients, each on its own."""
        clip(self.network.children(), self.settings.clip)

    def encoder(self) -> ViTEncoder:
        """Return the network."""
        return ViTEncoder(self.network, self.settings)

    def exported(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return the network's weights."""
        return exported(self.network)


def _hide(rng: np.random.Generator, present: np.ndarray, probability: float) -> np.ndarray:
    """Return which of the present sequences to hide (S,); drawn again until one stays visible."""
    while True:
        hidden = present & (rng.random(len(present)) < probability)
        if probability >= 1 or not present.any():
            return np.zeros_like(present)
        if (present & ~hidden).any():
            return hidden


def _head(dim: int, seed: int = 0) -> nn.Linear:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1)
        head = nn.Linear(dim, len(CLASSES))
        nn.init.trunc_normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        return head


def build(run: Run) -> SupervisedViT:
    """Return the method at step 0.

    Raises:
        UserError: no labelled training patient, a class without one, or weights that do not fit.
    """
    return SupervisedViT(run)


def load(run: Run) -> ViTEncoder:
    """Return the trained network."""
    backbone, state = read_backbone(run.folder / "model.safetensors")
    network = HeadedViT(backbone, _head(backbone.shape.dim))
    network.load_state_dict(state)
    return ViTEncoder(network, run.settings)
