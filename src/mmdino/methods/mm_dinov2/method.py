"""MM-DINOv2 as the training loop knows it: batches, schedules and the optimiser round :mod:`.model`."""

import numpy as np
import torch
from torch import Tensor

from mmdino.methods.base import Run, Trainable
from mmdino.methods.common.draws import Drawn, Sampler, stream
from mmdino.methods.common.network import HeadedViT, ViTEncoder, exported, read_backbone, starting_backbone
from mmdino.methods.common.optimise import adamw, clip, learning_parameters, set_rates, training_class_weights
from mmdino.methods.common.schedules import Cosine, Linear
from mmdino.methods.common.views import Patches, View, make_views, read_slices
from mmdino.methods.mm_dinov2.masking import block_masks, combine, hidden_sequences
from mmdino.methods.mm_dinov2.model import Batch, StudentTeacher
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.methods.mm_dinov2.views import global_views, local_views
from mmdino.models.head import ProjectionHead


class MMDinoV2(Trainable):
    """Self-distillation of multi-sequence crops, with the first prototypes as classes."""

    network: StudentTeacher
    optimizer: torch.optim.AdamW

    def __init__(self, run: Run):
        s: Settings = run.settings
        self.run, self.settings = run, s
        self.steps, self.evaluate_every, self.select_by = s.steps, s.evaluate_every, s.select_by
        self.precision = s.precision
        self.sampler = Sampler(
            run.patients, run.seed, s.batch, s.labelled_fraction_of_batch, labelled_only=not s.unlabelled
        )
        weight = None
        if s.class_weight != "batch":
            weight = training_class_weights(run.patients, self.sampler.subjects, equal=s.class_weight == "none")
        self.network = StudentTeacher(_network(s, run.seed), s, weight)
        self.optimizer = adamw(
            self.network.student.named_parameters(),
            self.network.student.backbone.shape.depth,
            s.layer_decay,
            s.patch_embed_lr,
        )
        self.backbone = learning_parameters(self.network.student.backbone)
        self.lr = Cosine(s.lr, s.lr_end, s.steps, s.warmup_steps)
        self.weight_decay = Cosine(s.weight_decay, s.weight_decay_end, s.steps)
        self.ema = Cosine(s.ema, s.ema_end, s.steps)
        self.teacher_temperature = Linear(s.teacher_temperature, s.teacher_temperature_end, s.teacher_temperature_steps)

    def batch(self, step: int) -> Batch:
        """Draw patients, a slice of each, its views and their masks."""
        s, seed = self.settings, self.run.seed
        turns = self.sampler(step)
        slices = read_slices(self.run.patients.bank, turns, s.sequences, seed)
        rng = stream(seed, "masks", step)
        present = np.tile(slices.present, (2, 1))
        blocks = block_masks(rng, 2 * len(turns), s.global_size // s.patch, s.mask_probability, s.mask_ratio)
        subjects = [turn.subject for turn in turns]
        return Batch(
            subjects,
            self._views(slices, turns, global_views(s)),
            self._views(slices, turns, local_views(s)),
            combine(blocks, hidden_sequences(rng, present, s.full_modality), present),
            torch.from_numpy(~slices.present),
            torch.from_numpy(self.run.patients.targets(subjects)),
        )

    def _views(self, slices: Patches, turns: list[Drawn], kinds: list[View]) -> Tensor:
        views = [make_views(slices, turns, kind, self.run.seed) for kind in kinds]
        return torch.cat(views) if views else torch.empty(0)

    def schedule(self, step: int) -> dict[str, float]:
        """Set the rates of ``step``, and whether the backbone learns."""
        s = self.settings
        lr, weight_decay = self.lr(step), self.weight_decay(step)
        set_rates(self.optimizer, lr, weight_decay, 0.0 if step < s.freeze_last_layer_steps else lr)
        for parameter in self.backbone:
            parameter.requires_grad_(step >= s.freeze_backbone_steps)
        return {
            "lr": lr,
            "weight_decay": weight_decay,
            "ema": self.ema(step),
            "teacher_temperature": self.teacher_temperature(step),
        }

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Return ``loss`` and its parts."""
        return self.network.losses(batch, self.teacher_temperature(step))

    def clip(self) -> None:
        """Clip the backbone's and the head's gradients, each on its own."""
        clip(self.network.student.children(), self.settings.clip)

    def after_step(self, step: int) -> None:
        """Let the teacher follow."""
        self.network.follow(self.ema(step))

    def encoder(self) -> ViTEncoder:
        """Return the teacher."""
        return ViTEncoder(self.network.teacher, self.settings, self.settings.student_temperature)

    def exported(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return the teacher's weights."""
        return exported(self.network.teacher)


def _network(settings: Settings, seed: int) -> HeadedViT:
    backbone = starting_backbone(settings, seed, settings.drop_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1)
        return HeadedViT(backbone, _head(backbone.shape.dim, settings))


def _head(dim: int, settings: Settings) -> ProjectionHead:
    return ProjectionHead(dim, settings.prototypes, settings.head_hidden, settings.head_bottleneck)


def build(run: Run) -> MMDinoV2:
    """Return the method at step 0.

    Raises:
        UserError: nobody to train on, a class without a labelled patient, or weights that do not fit.
    """
    return MMDinoV2(run)


def load(run: Run) -> ViTEncoder:
    """Return the trained teacher."""
    backbone, state = read_backbone(run.folder / "model.safetensors")
    network = HeadedViT(backbone, _head(backbone.shape.dim, run.settings))
    network.load_state_dict(state)
    return ViTEncoder(network, run.settings, run.settings.student_temperature)
