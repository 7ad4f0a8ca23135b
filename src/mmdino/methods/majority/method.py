"""The training classes' shares, whoever is asked about: the most frequent class is always chosen."""

import numpy as np
import torch
from torch import Tensor, nn

from mmdino.dataset.bank import Slices
from mmdino.methods.base import Run, Untrained, restore
from mmdino.tables import CLASSES


class Shares(nn.Module):
    """Each class's share of the labelled training patients (3,)."""

    share: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("share", torch.full((len(CLASSES),), 1 / len(CLASSES)))


class MajorityEncoder:
    """Says the same of everybody."""

    def __init__(self, shares: Shares):
        self.shares = shares

    def features(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return ``cls``: a constant (N, 1), on which a regression learns the classes' shares too."""
        return {"cls": np.zeros((len(slices), 1), np.float32)}

    def probabilities(self, slices: Slices, sequences: tuple[str, ...]) -> np.ndarray:
        """Return the shares (N, 3)."""
        return np.tile(self.shares.share.numpy(), (len(slices), 1))


class Majority(Untrained):
    """Counts the labels."""

    network: Shares

    def __init__(self, run: Run):
        self.network = Shares()
        targets = run.patients.targets(run.patients.select("train", labelled=True))
        if len(targets):
            counts = np.bincount(targets, minlength=len(CLASSES))
            self.network.share.copy_(torch.from_numpy(counts / counts.sum()))

    def encoder(self) -> MajorityEncoder:
        """Return the encoder, which shares the counts."""
        return MajorityEncoder(self.network)


def build(run: Run) -> Majority:
    """Return the method with the labels counted."""
    return Majority(run)


def load(run: Run) -> MajorityEncoder:
    """Return the encoder from ``run.folder / "model.safetensors"``."""
    return MajorityEncoder(restore(Shares(), run, "shares of classes"))
