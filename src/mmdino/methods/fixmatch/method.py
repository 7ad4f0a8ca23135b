"""FixMatch (Sohn et al., NeurIPS 2020) on the supervised CNN, with hidden sequences as part of the strong view."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mmdino.methods.base import Run
from mmdino.methods.common.draws import Order
from mmdino.methods.fixmatch.settings import Settings
from mmdino.methods.supervised_cnn.method import Batch, SupervisedCNN, accuracy, load
from mmdino.methods.supervised_cnn.network import SequenceCNN, new_network


@dataclass(frozen=True)
class Batches:
    """Labelled patients, and a weak and a strong view of others."""

    subjects: list[str]
    labelled: Batch
    weak: Batch
    strong: Batch


class FixMatch(SupervisedCNN):
    """Cross-entropy on labels, and on pseudo-labels. As in the paper, labelled patients are among the unlabelled too."""

    settings: Settings

    def __init__(self, run: Run, network: SequenceCNN):
        super().__init__(run, network)
        self.everybody = Order(run.patients.select("train"), run.seed, "order", "unlabelled")
        self.weak = replace(self.view, name="weak", blur=0.0, gamma=False)
        self.strong = replace(
            self.view, name="strong", scale=self.settings.strong_scale, blur=0.5, gamma=True, aspect=4 / 3, jitter=1.0
        )

    def batch(self, step: int) -> Batches:
        """Draw the labelled patients, and both views of the unlabelled ones."""
        s = self.settings
        labelled, count = super().batch(step), s.batch * s.unlabelled_ratio
        turns = self.everybody.take(step * count, count)
        subjects = labelled.subjects + [turn.subject for turn in turns]
        weak, strong = self.draw(turns, self.weak, 0.0), self.draw(turns, self.strong, s.strong_dropout)
        return Batches(subjects, labelled, weak, strong)

    def losses(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Return ``loss``, its two parts, and the shares that are right and that are sure."""
        s, parts = self.settings, (batch.labelled, batch.weak, batch.strong)
        # In one pass, so that batch norm sees all three kinds of view together
        together = self.network(torch.cat([part.views for part in parts]), torch.cat([part.shown for part in parts]))
        scores, weak, strong = together.float().split([len(part.views) for part in parts])
        probability, pseudo = weak.detach().softmax(1).max(1)
        sure = (probability >= s.threshold).float()
        supervised = self.cross_entropy(scores, batch.labelled.labels)
        unsupervised = (functional.cross_entropy(strong, pseudo, reduction="none") * sure).mean()
        return {
            "loss": supervised + s.unlabelled_weight * unsupervised,
            "supervised": supervised,
            "unsupervised": unsupervised,
            "sure": sure.mean(),
            "accuracy": accuracy(scores, batch.labelled.labels),
        }


def build(run: Run) -> FixMatch:
    """Return the trainable at step 0.

    Raises:
        UserError: timm does not know the network, its weights are not at hand, or a class has no labelled patient.
    """
    return FixMatch(run, new_network(run.settings, run.seed))


__all__ = ["build", "load"]
