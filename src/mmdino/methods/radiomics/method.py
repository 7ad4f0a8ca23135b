"""Hand-made features as a method: nothing is trained by the loop.

``cls`` is the features, filled with the training patients' mean where a sequence is missing; ``head`` is gradient
boosting on the features, which knows missing ones. What is saved are the labelled training patients' features: the
trees are grown again from them in a second, and no file holds code.
"""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmdino.dataset.bank import Slices
from mmdino.errors import UserError
from mmdino.methods.base import Run, Untrained, restore
from mmdino.methods.radiomics.boosting import Boosting, hide
from mmdino.methods.radiomics.features import columns, extract
from mmdino.methods.radiomics.settings import Settings
from mmdino.tables import SEQUENCES


class Known(nn.Module):
    """What is saved: each column's mean over the training patients, and the labelled ones' features and classes."""

    mean: Tensor
    features: Tensor
    labels: Tensor

    def __init__(self, width: int, labelled: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("features", torch.zeros(labelled, width))
        self.register_buffer("labels", torch.zeros(labelled, dtype=torch.int64))


class RadiomicsEncoder:
    """Computes features, and remembers each slice's: 15 sets of sequences are asked about, and only columns change."""

    def __init__(self, known: Known, settings: Settings, seed: int):
        self.known, self.settings, self.seed = known, settings, seed
        self.needs = np.array([[name in needed for name in SEQUENCES] for _, needed in columns(settings)])
        self._rows: dict[bytes, NDArray[np.float32]] = {}
        self._boosting: Boosting | None = None

    def features(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return ``cls``: (N, D) float32, with the training mean in the columns of absent or hidden sequences."""
        shown = self._shown(slices, sequences)
        return {"cls": np.where(np.isfinite(shown), shown, self.known.mean.numpy())}

    def probabilities(self, slices: Slices, sequences: tuple[str, ...]) -> np.ndarray | None:
        """Return the trees' class probabilities (N, 3), or None with ``classifier: logistic``."""
        if self.settings.classifier == "logistic":
            return None
        if self._boosting is None:
            features, labels = self.known.features.numpy(), self.known.labels.numpy()
            self._boosting = Boosting(features, labels, self.needs, self.settings.hidden_copies, self.seed)
        return self._boosting.predict_proba(self._shown(slices, sequences))

    def raw(self, slices: Slices) -> NDArray[np.float32]:
        """Return (N, D) features of all that the patients have, NaN where a sequence is absent or a ring is empty."""
        return self._shown(slices, SEQUENCES)

    def _shown(self, slices: Slices, sequences: tuple[str, ...]) -> NDArray[np.float32]:
        rows = np.stack([self._row(image, tumour) for image, tumour in zip(slices.images, slices.tumour)])
        return hide(rows, self.needs, slices.present & np.isin(SEQUENCES, sequences)).astype(np.float32)

    def _row(self, image: NDArray[np.float32], tumour: NDArray[np.uint8]) -> NDArray[np.float32]:
        key = hashlib.blake2b(image.tobytes() + tumour.tobytes(), digest_size=16).digest()
        if key not in self._rows:
            self._rows[key] = extract(image, tumour, self.settings)
        return self._rows[key]


class Radiomics(Untrained):
    """Nothing to train: the training patients' features are computed when it is built."""

    def __init__(self, run: Run):
        settings: Settings = run.settings
        patients, width = run.patients, len(columns(settings))
        subjects = patients.select("train")
        if not subjects:
            raise UserError("radiomics: there is no training patient with slices; check splits.tsv and failures.tsv")
        labelled = patients.targets(subjects) >= 0
        self.network = Known(width, int(labelled.sum()))
        self._encoder = RadiomicsEncoder(self.network, settings, run.seed)
        raw = np.concatenate([self._encoder.raw(patients.evaluation_slices([subject])) for subject in subjects])
        found = np.isfinite(raw)
        total = np.where(found, raw, 0).sum(axis=0, dtype=np.float64)
        self.network.mean.copy_(torch.from_numpy(total / np.maximum(found.sum(axis=0), 1)))
        self.network.features.copy_(torch.from_numpy(raw[labelled]))
        self.network.labels.copy_(torch.from_numpy(patients.targets(subjects)[labelled]))
        if settings.classifier == "boosting":
            self.select_by = "head"

    def encoder(self) -> RadiomicsEncoder:
        """Return the encoder, which shares what is known."""
        return self._encoder


def build(run: Run) -> Radiomics:
    """Return the method with the training patients' features.

    Raises:
        UserError: there is no training patient.
    """
    return Radiomics(run)


def load(run: Run) -> RadiomicsEncoder:
    """Return the encoder from ``run.folder / "model.safetensors"``.

    Raises:
        UserError: the file is missing, damaged, or of other settings.
    """
    labelled = len(run.patients.select("train", labelled=True))
    known = restore(Known(len(columns(run.settings)), labelled), run, "features of these settings")
    return RadiomicsEncoder(known, run.settings, run.seed)
