"""Supervised training of a CNN on labelled slices; whole sequences are dropped, so that it learns to do without."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mmdino.methods.base import Run, Trainable, restore
from mmdino.methods.common.batch import Unrendered
from mmdino.methods.common.draws import Drawn, Sampler, stream
from mmdino.methods.common.optimise import adamw, set_rates, training_class_weights
from mmdino.methods.common.schedules import Cosine
from mmdino.methods.common.views import View, draw_views, read_slices
from mmdino.methods.supervised_cnn.network import CNNEncoder, SequenceCNN, new_network
from mmdino.methods.supervised_cnn.settings import CNNSettings
from mmdino.tables import SEQUENCES


@dataclass(frozen=True)
class Batch:
    """Views (B, 4, …) of named patients, the sequences that are shown (B, 4) bool, and classes (B,)."""

    subjects: list[str]
    views: Unrendered | Tensor
    shown: Tensor
    labels: Tensor


class SupervisedCNN(Trainable):
    """Cross-entropy with inverse-frequency class weights and label smoothing on the labelled training patients."""

    network: SequenceCNN
    optimizer: torch.optim.AdamW
    settings: CNNSettings

    def __init__(self, run: Run, network: SequenceCNN):
        self.run, self.settings = run, run.settings
        settings = self.settings
        self.steps, self.evaluate_every, self.select_by = settings.steps, settings.evaluate_every, settings.select_by
        self.precision = settings.precision
        self.sampler = Sampler(run.patients, run.seed, settings.batch, labelled_only=True)
        self.view = View(
            "cnn",
            settings.image_size,
            settings.scale,
            settings.blur,
            settings.gamma,
            aspect=settings.aspect,
            jitter=settings.jitter,
        )
        self.weights = training_class_weights(run.patients, self.sampler.subjects)
        self.network = network
        if settings.fill == "mean":
            self.network.absent.copy_(self._mean_views())
        self.optimizer = adamw(self.network.named_parameters(), depth=0)
        self.lr = Cosine(settings.lr, settings.lr_end, settings.steps, settings.warmup_steps)

    def batch(self, step: int) -> Any:
        """Draw labelled patients, a view of each, and the sequences to hide."""
        return self.draw(self.sampler(step), self.view, self.settings.sequence_dropout)

    def draw(self, turns: Sequence[Drawn], view: View, dropout: float) -> Batch:
        """Return a view of each patient, and which sequences are shown; an unlabelled patient's class is −1."""
        slices = read_slices(self.run.patients.bank, turns, SEQUENCES, self.run.seed)
        views = draw_views(slices, turns, [view], self.run.seed)
        shown = keep_sequences(slices.present, turns, dropout, self.run.seed, view.name)
        subjects = [turn.subject for turn in turns]
        labels = torch.from_numpy(self.run.patients.targets(subjects))
        return Batch(subjects, views, torch.from_numpy(shown), labels)

    def schedule(self, step: int) -> dict[str, float]:
        """Set the learning rate of ``step``."""
        lr = self.lr(step)
        set_rates(self.optimizer, lr, self.settings.weight_decay)
        return {"lr": lr}

    def losses(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Return the weighted cross-entropy, and the share of the batch that is classified rightly."""
        scores = self.network(batch.views, batch.shown).float()
        return {"loss": self.cross_entropy(scores, batch.labels), "accuracy": accuracy(scores, batch.labels)}

    def cross_entropy(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted cross-entropy of labelled patients."""
        smoothing = self.settings.label_smoothing
        return functional.cross_entropy(scores, labels, self.weights.to(scores), label_smoothing=smoothing)

    def encoder(self) -> CNNEncoder:
        """Return an encoder that shares the current weights."""
        return CNNEncoder(self.network, self.settings)

    def _mean_views(self) -> Tensor:
        """Return each sequence's mean over the training patients who have it, as the network looks at it."""
        total: Tensor | float = 0.0
        count = torch.zeros(len(SEQUENCES))
        for subject in self.run.patients.select("train"):
            slices = self.run.patients.evaluation_slices([subject])
            views, present = self.encoder().render(slices), torch.from_numpy(slices.present).float()
            total = total + torch.einsum("ns...,ns->s...", views, present)
            count += present.sum(0)
        return total / count.clamp_min(1).view(-1, *[1] * (self.network.absent.ndim - 1))


def accuracy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the share that is classified rightly."""
    return (scores.detach().argmax(1) == labels).float().mean()


def keep_sequences(
    present: np.ndarray, turns: Sequence[Drawn], probability: float, seed: int, view: str = "cnn"
) -> np.ndarray:
    """Draw (B, 4) bool: each sequence is dropped with ``probability``, but of those that a patient has one stays."""
    kept = np.zeros(present.shape, bool)
    for row, has, turn in zip(kept, present, turns):
        rng = stream(seed, "sequence-dropout", view, turn.epoch, turn.subject)
        row[:] = has & (rng.random(len(has)) >= probability)
        if not row.any() and has.any():
            row[rng.choice(np.flatnonzero(has))] = True
    return kept


def build(run: Run) -> SupervisedCNN:
    """Return the trainable at step 0.

    Raises:
        UserError: timm does not know the network, its weights are not at hand, or a class has no labelled patient.
    """
    return SupervisedCNN(run, new_network(run.settings, run.seed))


def load(run: Run) -> CNNEncoder:
    """Return the encoder from ``run.folder / "model.safetensors"``.

    Raises:
        UserError: the file is missing, damaged, or of another network.
    """
    network = new_network(run.settings, run.seed, trained=False)
    return CNNEncoder(restore(network, run, f"trained '{run.settings.network}'"), run.settings)
