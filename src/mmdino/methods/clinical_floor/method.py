"""Tumour volume alone, for evaluation's regression. No sequence is looked at, so that hiding one changes nothing."""

import numpy as np
import torch
from torch import Tensor, nn

from mmdino.dataset.bank import SliceBank, Slices
from mmdino.methods.base import Run, Untrained, restore


class Centre(nn.Module):
    """The mean logarithm of the training patients' volumes, from which volumes are measured."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))


class ClinicalEncoder:
    """Looks a patient's tumour volume up in the slice bank."""

    def __init__(self, centre: Centre, bank: SliceBank):
        self.centre, self.bank = centre, bank

    def features(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return ``cls``: (N, 1) float32, the centred logarithm of the tumour voxels in the bank's axial slices."""
        if slices.rows is None:
            raise ValueError("the clinical floor needs slices that were read from a bank")
        volume = np.log1p(self.bank.axial_voxels(slices.rows)) - self.centre.mean.item()
        return {"cls": volume.astype(np.float32)[:, None]}

    def probabilities(self, slices: Slices, sequences: tuple[str, ...]) -> None:
        """Return None: the regression is all there is."""
        return None


class ClinicalFloor(Untrained):
    """Takes the mean volume when it is built."""

    network: Centre

    def __init__(self, run: Run):
        self.network, self._bank = Centre(), run.patients.bank
        rows = [self._bank.evaluation_row(subject) for subject in run.patients.select("train")]
        if rows:
            self.network.mean.fill_(float(np.log1p(self._bank.axial_voxels(np.array(rows))).mean()))

    def encoder(self) -> ClinicalEncoder:
        """Return the encoder, which shares the mean."""
        return ClinicalEncoder(self.network, self._bank)


def build(run: Run) -> ClinicalFloor:
    """Return the method with the mean volume taken."""
    return ClinicalFloor(run)


def load(run: Run) -> ClinicalEncoder:
    """Return the encoder from ``run.folder / "model.safetensors"``.

    Raises:
        UserError: the file is missing or damaged.
    """
    return ClinicalEncoder(restore(Centre(), run, "clinical floor"), run.patients.bank)
