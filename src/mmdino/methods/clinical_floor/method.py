"""Tumour volume, age and sex, for evaluation's regression. No sequence is looked at, so that hiding one changes nothing.

Age and sex are used where a labelled training patient's is known; who lacks one is given their median, and a further
feature says so.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmdino.dataset.bank import Slices
from mmdino.dataset.patients import Patients
from mmdino.methods.base import Run, Untrained, restore
from mmdino.tables import PERSON


class Centre(nn.Module):
    """The training patients' mean logarithm of volume, and median age and sex (2,), NaN for what nobody tells."""

    mean: Tensor
    medians: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("medians", torch.full((len(PERSON),), torch.nan))


class ClinicalEncoder:
    """Looks a patient up: the tumour in the slice bank, age and sex in the splits."""

    def __init__(self, centre: Centre, patients: Patients):
        self.centre, self.patients = centre, patients

    def features(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return ``cls``: (N, 1, 3 or 5) float32.

        The centred logarithm of the tumour voxels in the bank's axial slices; then of age (years) and of sex (male 1,
        female 0), as far as they are used, the value less the median, and 1 where it is not known.
        """
        if slices.rows is None:
            raise ValueError("the clinical floor needs slices that were read from a bank")
        bank = self.patients.bank
        volume = np.log1p(bank.axial_voxels(slices.rows)) - self.centre.mean.item()
        told = numbers(self.patients.people(bank.index["subject"].to_numpy()[slices.rows].tolist()))
        columns = [volume]
        for values, median in zip(told.T, self.centre.medians.tolist()):
            if np.isfinite(median):
                columns += [np.where(np.isnan(values), 0.0, values - median), np.isnan(values)]
        return {"cls": np.stack(columns, axis=1).astype(np.float32)}

    def probabilities(self, slices: Slices, sequences: tuple[str, ...]) -> None:
        """Return None: the regression is all there is."""
        return None


class ClinicalFloor(Untrained):
    """Takes the mean volume and the medians when it is built."""

    network: Centre

    def __init__(self, run: Run):
        self.network, self._patients = Centre(), run.patients
        bank = run.patients.bank
        rows = [bank.evaluation_row(subject) for subject in run.patients.select("train")]
        if rows:
            self.network.mean.fill_(float(np.log1p(bank.axial_voxels(np.array(rows))).mean()))
        told = numbers(run.patients.people(run.patients.select("train", labelled=True)))
        for number, values in enumerate(told.T):
            if not np.isnan(values).all():
                self.network.medians[number] = float(np.nanmedian(values))

    def told(self) -> dict[str, Any]:
        """Return what is looked at beside the volume, which depends on what the cohorts tell."""
        return {"clinical": used(self.network)}

    def encoder(self) -> ClinicalEncoder:
        """Return the encoder, which shares the mean and the medians."""
        return ClinicalEncoder(self.network, self._patients)


def numbers(people: pd.DataFrame) -> NDArray[np.float64]:
    """Return (N, 2) age in years and sex (male 1, female 0), NaN where unknown."""
    sex = people["sex"].map({"male": 1.0, "female": 0.0})
    return np.stack([people["age"].to_numpy(np.float64), sex.to_numpy(np.float64)], axis=1)


def used(centre: Centre) -> Sequence[str]:
    """Return the names of what the features tell."""
    return ["volume", *(name for name, known in zip(PERSON, centre.medians.isfinite().tolist()) if known)]


def build(run: Run) -> ClinicalFloor:
    """Return the method with the mean volume and the medians taken."""
    return ClinicalFloor(run)


def load(run: Run) -> ClinicalEncoder:
    """Return the encoder from ``run.folder / "model.safetensors"``.

    Raises:
        UserError: the file is missing or damaged.
    """
    return ClinicalEncoder(restore(Centre(), run, "clinical floor"), run.patients)
