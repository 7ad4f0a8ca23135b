"""The network of MM-DINOv2 trained with labels only: cross-entropy on the CLS token of one augmented crop a patient."""

from dataclasses import dataclass
from typing import Generic

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from mmdino.methods.base import Run, restore
from mmdino.methods.common.batch import Unrendered, Views
from mmdino.methods.common.draws import Sampler, stream
from mmdino.methods.common.network import (
    HeadedViT,
    ViTEncoder,
    exported,
    recorded_backbone,
    starting_backbone,
    token_masks,
)
from mmdino.methods.common.optimise import batch_class_weights
from mmdino.methods.common.processes import gather, share
from mmdino.methods.common.rank import effective_rank
from mmdino.methods.common.trained import TrainedViT, class_weight
from mmdino.methods.common.views import View, draw_views, read_slices
from mmdino.methods.supervised_vit.settings import Settings
from mmdino.tables import CLASSES


@dataclass(frozen=True)
class Batch(Generic[Views]):
    """Crops (B, S, H, H), the sequences hidden or absent (B, S) bool, and labels (B,) of named patients."""

    subjects: list[str]
    crops: Views
    hidden: Tensor
    labels: Tensor


class SupervisedViT(TrainedViT):
    """A ViT and a linear layer."""

    network: HeadedViT

    def __init__(self, run: Run):
        s: Settings = run.settings
        self.settings = s
        sampler = Sampler(run.patients, run.seed, s.batch, labelled_only=True)
        self.weight = class_weight(run, sampler)
        backbone = starting_backbone(s, run.seed, s.drop_path)
        self.network = HeadedViT(backbone, _head(backbone.shape.dim, run.seed))
        super().__init__(run, self.network, sampler)
        self.view = View("global 1", s.global_size, s.global_scale, 0.5, gamma=True, crops=s.crops, flip=s.flip)

    def batch(self, step: int) -> Batch[Unrendered]:
        """Draw labelled patients, a slice and a view of each, and which sequences to hide."""
        s, seed = self.settings, self.run.seed
        turns = self.sampler(step)
        turns = turns[share(len(turns))]
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
            draw_views(slices, turns, [self.view], seed),
            torch.from_numpy(hidden | ~slices.present),
            torch.from_numpy(self.run.patients.targets(subjects)),
        )

    def losses(self, batch: Batch[Tensor], step: int) -> dict[str, Tensor]:
        """Return the cross-entropy, weighted by class and divided by the weights' sum, and the features' rank."""
        s = self.settings
        masks = token_masks(batch.hidden, batch.crops, s) if batch.hidden.any() else None
        seen = self.network.look(batch.crops, s.sequences, masks, parts=s.accumulate)
        scores, labels = gather(self.network.scores(seen.cls)), gather(batch.labels)
        weight = batch_class_weights(labels, len(CLASSES)) if self.weight is None else self.weight.to(scores.device)
        loss = cross_entropy(scores, labels, weight, label_smoothing=s.label_smoothing)
        return {"loss": loss, "feature_rank": effective_rank(gather(seen.cls.detach()))}

    def encoder(self) -> ViTEncoder:
        """Return the network."""
        return ViTEncoder(self.network, self.settings)

    def exported(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return the network's weights."""
        return exported(self.network)


def _hide(rng: np.random.Generator, present: np.ndarray, probability: float) -> np.ndarray:
    """Return which of the present sequences to hide (S,); drawn again until one of them, if there is any, stays visible."""
    while True:
        hidden = present & (rng.random(len(present)) < probability)
        if (present & ~hidden).any() or not present.any():
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
    """Return the trained network.

    Raises:
        UserError: the file is missing, damaged, or of another network.
    """
    backbone = recorded_backbone(run)
    network = HeadedViT(backbone, _head(backbone.shape.dim))
    return ViTEncoder(restore(network, run, "trained ViT with a linear layer"), run.settings)
