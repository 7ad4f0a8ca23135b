"""MM-DINOv2 as the training loop knows it: batches, schedules and the optimiser round :mod:`.model`."""

import numpy as np
import torch
from torch import Tensor

from mmdino.errors import UserError
from mmdino.methods.base import Run, restore
from mmdino.methods.common.batch import Unrendered
from mmdino.methods.common.draws import Drawn, Sampler, stream
from mmdino.methods.common.network import HeadedViT, ViTEncoder, exported, recorded_backbone, starting_backbone
from mmdino.methods.common.processes import share
from mmdino.methods.common.schedules import Cosine, Linear
from mmdino.methods.common.trained import TrainedViT, class_weight
from mmdino.methods.common.views import Patches, draw_views, read_slices
from mmdino.methods.mm_dinov2.masking import block_masks, combine, hidden_sequences
from mmdino.methods.mm_dinov2.model import Batch, StudentTeacher
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.methods.mm_dinov2.views import gammas_as_released, global_views, local_views
from mmdino.models.head import ProjectionHead
from mmdino.models.vit import MultiModalViT


class MMDinoV2(TrainedViT):
    """Self-distillation of multi-sequence crops, with the first prototypes as classes."""

    network: StudentTeacher

    def __init__(self, run: Run):
        s: Settings = run.settings
        self.settings = s
        sampler = Sampler(run.patients, run.seed, s.batch, s.labelled_fraction_of_batch, labelled_only=not s.unlabelled)
        self.network = StudentTeacher(_network(s, run.seed), s, class_weight(run, sampler))
        super().__init__(run, self.network.student, sampler)
        self.ema = Cosine(s.ema, s.ema_end, s.steps)
        self.teacher_temperature = Linear(s.teacher_temperature, s.teacher_temperature_end, s.teacher_temperature_steps)

    def batch(self, step: int) -> Batch[Unrendered]:
        """Draw patients, a slice of each, its views and their masks."""
        s, seed = self.settings, self.run.seed
        turns = self.sampler(step)
        slices = read_slices(self.run.patients.bank, turns, s.sequences, seed)
        _require_a_sequence(slices, turns)
        rng = stream(seed, "masks", step)
        present = np.tile(slices.present, (2, 1))
        blocks = block_masks(rng, 2 * len(turns), s.global_size // s.patch, s.mask_probability, s.mask_ratio)
        masks = combine(blocks, hidden_sequences(rng, present, s.full_modality), present, s.masks)
        gammas = gammas_as_released(seed, step, len(turns)) if s.gamma == "released" else None
        mine = share(len(turns))
        masks = masks.of_views(mine, len(turns))
        turns, slices = turns[mine], slices[mine]
        subjects = [turn.subject for turn in turns]
        return Batch(
            subjects,
            draw_views(slices, turns, global_views(s), seed, None if gammas is None else gammas[mine]),
            draw_views(slices, turns, local_views(s), seed),
            masks,
            torch.from_numpy(~slices.present),
            torch.from_numpy(self.run.patients.targets(subjects)),
        )

    def schedule(self, step: int) -> dict[str, float]:
        """Set the rates of ``step``, and whether the backbone learns."""
        more = {"ema": self.ema(step), "teacher_temperature": self.teacher_temperature(step)}
        return {**super().schedule(step), **more}

    def last_layer_lr(self, step: int, lr: float) -> float:
        """Return the last layer's rate: 0 at first, so that the prototypes stay while the network finds its feet."""
        return 0.0 if step < self.settings.freeze_last_layer_steps else lr

    def losses(self, batch: Batch[Tensor], step: int) -> dict[str, Tensor]:
        """Return ``loss`` and its parts."""
        return self.network.losses(batch, self.teacher_temperature(step))

    def after_step(self, step: int) -> None:
        """Let the teacher follow."""
        self.network.follow(self.ema(step))

    def encoder(self) -> ViTEncoder:
        """Return the teacher."""
        return ViTEncoder(self.network.teacher, self.settings, self.settings.student_temperature)

    def exported(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return the teacher's weights."""
        return exported(self.network.teacher)


def _require_a_sequence(slices: Patches, turns: list[Drawn]) -> None:
    bare = [turn.subject for turn, present in zip(turns, slices.present) if not present.any()]
    if bare:
        raise UserError(
            f"{', '.join(bare)}: has none of the sequences that are asked for, so that all of its tokens would be masked; "
            "leave these patients out, or ask for more `sequences`"
        )


def _network(settings: Settings, seed: int) -> HeadedViT:
    backbone = starting_backbone(settings, seed, settings.drop_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 1)
        return _headed(backbone, settings)


def _headed(backbone: MultiModalViT, s: Settings) -> HeadedViT:
    count = 2 if s.projection == "separate" else 1
    return HeadedViT(
        backbone,
        *(ProjectionHead(backbone.shape.dim, s.prototypes, s.head_hidden, s.head_bottleneck) for _ in range(count)),
    )


def build(run: Run) -> MMDinoV2:
    """Return the method at step 0.

    Raises:
        UserError: nobody to train on, a class without a labelled patient, or weights that do not fit.
    """
    return MMDinoV2(run)


def load(run: Run) -> ViTEncoder:
    """Return the trained teacher.

    Raises:
        UserError: the file is missing, damaged, or of other heads.
    """
    network = restore(_headed(recorded_backbone(run), run.settings), run, "trained teacher of these heads")
    return ViTEncoder(network, run.settings, run.settings.student_temperature)
