"""Supervised training of a CNN on labelled slices; whole sequences are dropped, so that it learns to do without."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmdino.errors import UserError
from mmdino.methods.base import Run, Trainable
from mmdino.methods.common.draws import Drawn, Sampler, stream
from mmdino.methods.common.optimise import adamw, set_rates, training_class_weights
from mmdino.methods.common.schedules import Cosine
from mmdino.methods.common.views import View, make_views, read_slices
from mmdino.methods.supervised_cnn.network import CNNEncoder, new_network
from mmdino.methods.supervised_cnn.settings import Settings
from mmdino.tables import SEQUENCES


@dataclass(frozen=True)
class Batch:
    """Views (B, 4, size, size), with sequences dropped, and classes (B,) of named patients."""

    subjects: list[str]
    views: Tensor
    labels: Tensor


class SupervisedCNN(Trainable):
    """Cross-entropy with inverse-frequency class weights and label smoothing on the labelled training patients."""

    network: nn.Module
    optimizer: torch.optim.AdamW

    def __init__(self, run: Run):
        settings: Settings = run.settings
        self.run, self.settings = run, settings
        self.steps, self.evaluate_every, self.select_by = settings.steps, settings.evaluate_every, settings.select_by
        self.sampler = Sampler(run.patients, run.seed, settings.batch, labelled_only=True)
        self.view = View("cnn", settings.image_size, settings.scale, settings.blur, settings.gamma)
        self.weights = training_class_weights(run.patients, self.sampler.subjects)
        self.network = new_network(settings, run.seed)
        self.optimizer = adamw(self.network.named_parameters(), depth=0)
        self.lr = Cosine(settings.lr, settings.lr_end, settings.steps, settings.warmup_steps)

    def batch(self, step: int) -> Batch:
        """Draw labelled patients, a slice and a view of each, and the sequences to drop."""
        turns = self.sampler(step)
        slices = read_slices(self.run.patients.bank, turns, SEQUENCES, self.run.seed)
        views = make_views(slices, turns, self.view, self.run.seed)
        kept = keep_sequences(slices.present, turns, self.settings.sequence_dropout, self.run.seed)
        subjects = [turn.subject for turn in turns]
        labels = torch.from_numpy(self.run.patients.targets(subjects))
        return Batch(subjects, views * torch.from_numpy(kept)[:, :, None, None], labels)

    def schedule(self, step: int) -> dict[str, float]:
        """Set the learning rate of ``step``."""
        lr = self.lr(step)
        set_rates(self.optimizer, lr, self.settings.weight_decay)
        return {"lr": lr}

    def losses(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Return the weighted cross-entropy, and the share of the batch that is classified rightly."""
        scores = self.network(batch.views)
        loss = functional.cross_entropy(
            scores, batch.labels, self.weights.to(scores), label_smoothing=self.settings.label_smoothing
        )
        return {"loss": loss, "accuracy": (scores.detach().argmax(1) == batch.labels).float().mean()}

    def encoder(self) -> CNNEncoder:
        """Return an encoder that shares the current weights."""
        return CNNEncoder(self.network, self.settings)


def keep_sequences(present: np.ndarray, turns: Sequence[Drawn], probability: float, seed: int) -> np.ndarray:
    """Draw (B, 4) bool: each sequence is dropped with ``probability``, but of those that a patient has one stays."""
    kept = np.zeros(present.shape, bool)
    for row, has, turn in zip(kept, present, turns):
        rng = stream(seed, "sequence-dropout", turn.epoch, turn.subject)
        row[:] = has & (rng.random(len(has)) >= probability)
        if not row.any() and has.any():
            row[rng.choice(np.flatnonzero(has))] = True
    return kept


def build(run: Run) -> SupervisedCNN:
    """Return the trainable at step 0."""
    return SupervisedCNN(run)


def load(run: Run) -> CNNEncoder:
    """Return the encoder from ``run.folder / "model.safetensors"``.

    Raises:
        UserError: the file is missing, damaged, or of another network.
    """
    path = run.folder / "model.safetensors"
    network = new_network(run.settings, run.seed)
    try:
        network.load_state_dict(safetensors.torch.load_file(path))
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: holds no trained '{run.settings.network}' ({reason}); run `mmdino train` again"
        ) from None
    return CNNEncoder(network, run.settings)
