"""Hand-made features as a method: nothing is trained; what is absent is filled with the training patients' mean."""

import hashlib
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmdino.dataset.bank import Slices
from mmdino.errors import UserError
from mmdino.methods.base import Run, Trainable
from mmdino.methods.radiomics.features import columns, extract
from mmdino.methods.radiomics.settings import Settings
from mmdino.tables import SEQUENCES


class Means(nn.Module):
    """What is saved of the method: each column's mean over the training patients who have it (0 if nobody does)."""

    mean: Tensor

    def __init__(self, count: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(count))


class RadiomicsEncoder:
    """Computes features, and remembers each slice's: 15 sets of sequences are asked about, and only columns change."""

    def __init__(self, means: Means, settings: Settings):
        self.means, self.settings = means, settings
        self._needs = np.array([[name in needed for name in SEQUENCES] for _, needed in columns(settings)])
        self._known: dict[bytes, NDArray[np.float32]] = {}

    def features(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return ``cls``: (N, D) float32, with the training mean in the columns of absent or hidden sequences."""
        found = self.raw(slices)
        shown = slices.present & np.isin(SEQUENCES, sequences)
        hidden = (self._needs[None] & ~shown[:, None]).any(axis=2)
        mean = self.means.mean.numpy()
        return {"cls": np.where(hidden | ~np.isfinite(found), mean, found)}

    def probabilities(self, slices: Slices, sequences: tuple[str, ...]) -> None:
        """Return None: the method has no output of its own."""
        return None

    def raw(self, slices: Slices) -> NDArray[np.float32]:
        """Return (N, D) features of all four sequences, NaN where a sequence is absent or a ring is empty."""
        rows = np.stack([self._row(image, tumour) for image, tumour in zip(slices.images, slices.tumour)])
        absent = (self._needs[None] & ~slices.present[:, None]).any(axis=2)
        return np.where(absent, np.float32(np.nan), rows)

    def _row(self, image: NDArray[np.float32], tumour: NDArray[np.uint8]) -> NDArray[np.float32]:
        key = hashlib.blake2b(image.tobytes() + tumour.tobytes(), digest_size=16).digest()
        if key not in self._known:
            self._known[key] = extract(image, tumour, self.settings)
        return self._known[key]


class Radiomics(Trainable):
    """Nothing to train: the means are taken when it is built."""

    steps = 0
    evaluate_every = 0
    optimizer = None

    def __init__(self, run: Run):
        self.settings: Settings = run.settings
        self.network = self.means = Means(len(columns(run.settings)))
        self._encoder = RadiomicsEncoder(self.means, self.settings)
        subjects = run.patients.select("train")
        if not subjects:
            raise UserError("radiomics: there is no training patient with slices; check splits.tsv and failures.tsv")
        raw = np.concatenate(
            [self._encoder.raw(run.patients.evaluation_slices([subject])) for subject in subjects]
        ).astype(np.float64)
        known = np.isfinite(raw)
        total = np.where(known, raw, 0).sum(axis=0)
        self.means.mean.copy_(torch.from_numpy(total / np.maximum(known.sum(axis=0), 1)))

    def batch(self, step: int) -> Any:
        """Refuse: there is no step."""
        raise NotImplementedError("radiomics has no training steps")

    def schedule(self, step: int) -> dict[str, float]:
        """Refuse: there is no step."""
        raise NotImplementedError("radiomics has no training steps")

    def losses(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Refuse: there is no step."""
        raise NotImplementedError("radiomics has no training steps")

    def encoder(self) -> RadiomicsEncoder:
        """Return the encoder, which shares the means."""
        return self._encoder


def build(run: Run) -> Radiomics:
    """Return the method with the training patients' means."""
    return Radiomics(run)


def load(run: Run) -> RadiomicsEncoder:
    """Return the encoder from ``run.folder / "model.safetensors"``.

    Raises:
        UserError: the file is missing, damaged, or of other settings.
    """
    path = run.folder / "model.safetensors"
    means = Means(len(columns(run.settings)))
    try:
        means.load_state_dict(safetensors.torch.load_file(path))
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: holds no means of these features ({reason}); run `mmdino train` again") from None
    return RadiomicsEncoder(means, run.settings)
