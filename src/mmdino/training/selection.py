"""Which weights are best: validation MCC of each read-out. The test split is never looked at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from sklearn.metrics import matthews_corrcoef

from mmdino.dataset.bank import Slices
from mmdino.dataset.patients import Patients
from mmdino.errors import UserError
from mmdino.files import atomic
from mmdino.methods.base import Encoder, Run, Trainable
from mmdino.models.logistic import fit_sweep
from mmdino.tables import CLASSES, SEQUENCES


class Best:
    """The weights with the best validation MCC so far, kept on disk beside those that the last checkpoint names.

    Args:
        run: whose validation patients choose.
        method: whose encoder is asked and whose weights are kept.
        path: where those found after so many steps are kept.
        found: ``step`` and ``mcc`` (by read-out) of the best before an interruption.
    """

    def __init__(self, run: Run, method: Trainable, path: Callable[[int], Path], found: dict[str, Any] | None):
        self._selection = Selection(run.patients, run.seed)
        self._method, self._path, self.found = method, path, found

    def look(self, done: int) -> dict[str, float]:
        """Return validation MCC after ``done`` steps, ``val_mcc_<read-out>``, and keep the weights if they are best."""
        scores, by = self._selection.scores(self._method.encoder()), self._method.select_by
        if self.found is None or scores[by] > self.found["mcc"][by]:
            self.found = {"step": done, "mcc": scores}
            tensors, metadata = self._method.exported()
            plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            with atomic(self._path(done)) as temporary:
                safetensors.torch.save_file(plain, temporary, metadata)
        return {f"val_mcc_{name}": score for name, score in scores.items()}


class Selection:
    """The labelled training and the validation patients' evaluation slices, read once.

    Args:
        patients: of the study.
        seed: of the regression's hold-out.

    Raises:
        UserError: no training or no validation patient has a label.
    """

    def __init__(self, patients: Patients, seed: int):
        self._seed = seed
        self._train, self._train_labels = _labelled(patients, "train")
        self._val, self._val_labels = _labelled(patients, "val")

    def scores(self, encoder: Encoder) -> dict[str, float]:
        """Return validation MCC by read-out: regression on ``cls`` and ``patch``, argmax of ``head``."""
        train, val = (encoder.features(slices, SEQUENCES) for slices in (self._train, self._val))
        scores = {}
        for name in train:
            fitted = fit_sweep(train[name], self._train_labels, self._seed, classes=len(CLASSES))
            scores[name] = self._mcc(fitted.predict_proba(val[name]))
        probabilities = encoder.probabilities(self._val, SEQUENCES)
        if probabilities is not None:
            scores["head"] = self._mcc(probabilities)
        return scores

    def _mcc(self, probabilities: np.ndarray) -> float:
        return float(matthews_corrcoef(self._val_labels, probabilities.argmax(1)))


def _labelled(patients: Patients, split: str) -> tuple[Slices, np.ndarray]:
    subjects = np.array(patients.select(split))
    targets = patients.targets(list(subjects))
    subjects, targets = subjects[targets >= 0], targets[targets >= 0]
    if not len(subjects):
        raise UserError(
            f"no patient of the {split} split has a label and slices; "
            "check splits.tsv and the slice bank's failures.tsv"
        )
    return patients.evaluation_slices(list(subjects)), targets
