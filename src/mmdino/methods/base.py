"""The small interface that every method offers, and by which training, prediction and evaluation know it.

``mmdino/methods/<method>/settings.py`` holds ``Settings`` (light: no torch); ``method.py`` ``build`` and ``load``.
"""

import importlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from mmdino.config import MethodSettings
from mmdino.dataset.bank import Slices
from mmdino.dataset.patients import Patients
from mmdino.errors import UserError, one_line

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class Run:
    """One experiment with one seed.

    Attributes:
        settings: the method's resolved settings.
        seed: the only source of randomness; every draw is a function of it and of a counter (step, patient, view).
        folder: ``results/<study>/runs/<experiment>/seed-<n>``.
        patients: slice bank and splits. Methods read ``train`` and ``val`` patients; the test split is for prediction.
    """

    settings: Any
    seed: int
    folder: Path
    patients: Patients


class Encoder(Protocol):
    """A fitted method, ready to be asked about patients."""

    def features(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return features by read-out (``cls``, ``patch``), each (N, D) float32, seeing only ``sequences``."""

    def probabilities(self, slices: Slices, sequences: tuple[str, ...]) -> np.ndarray | None:
        """Return class probabilities (N, 3) of the network's own output (read-out ``head``), or None if it has none."""


class Trainable(ABC):
    """What the training loop needs of a method; a method that isn't trained has ``steps = 0``."""

    steps: int
    evaluate_every: int  # steps between looks at the validation patients; 0: only at the end
    select_by: str = "cls"  # the read-out (cls, patch, head) whose validation MCC chooses the best weights
    precision: str = "fp32"  # of forward and losses: fp32, bf16, fp16, or auto (bf16 where the hardware computes it)
    compile: bool = False  # whether the network's blocks are compiled
    shares_batch: bool = (
        False  # whether several processes can train it: batch() gives this one's part (common/processes)
    )
    network: nn.Module  # everything that a resume needs: student, teacher, heads, centres (as buffers)
    optimizer: torch.optim.Optimizer | None

    @abstractmethod
    def batch(self, step: int) -> Any:
        """Return the batch of a step: a function of the run's seed and ``step`` alone, so that a resume needs no state.

        A dataclass of tensors, which the loop moves to the device, and of views that it renders (``common.batch``);
        ``subjects``, where it has them, names the patients.
        """

    @abstractmethod
    def schedule(self, step: int) -> dict[str, float]:
        """Set learning rate, weight decay and the like for ``step``; return them for the log."""

    @abstractmethod
    def losses(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Return named scalars; ``loss`` is what is optimised, and the others are logged."""

    def draws(self, step: int) -> int:
        """Return the counter that seeds what is drawn within ``step`` (drop-path)."""
        return step

    def resumed(self, step: int) -> None:  # noqa: B027
        """Hear that the run, interrupted after ``step`` steps, goes on."""

    def clip(self) -> None:  # noqa: B027
        """Clip the gradients, if the method does."""

    def after_step(self, step: int) -> None:  # noqa: B027
        """Do what follows an optimiser step (teacher EMA, centres)."""

    def told(self) -> dict[str, Any]:
        """Return what of the method's own should stand in ``run.json``."""
        return {}

    @abstractmethod
    def encoder(self) -> Encoder:
        """Return an encoder that shares the current weights."""

    def exported(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return tensors and metadata of ``model.safetensors``: what :func:`Method.load` needs, and no more."""
        return self.network.state_dict(), {}


class Untrained(Trainable):
    """A method without steps: whatever it learns from the training patients, it learns when it is built."""

    steps = 0
    evaluate_every = 0
    optimizer = None

    def batch(self, step: int) -> Any:
        """Never asked for."""
        raise RuntimeError(f"{type(self).__name__} has no training steps")

    def schedule(self, step: int) -> dict[str, float]:
        """Never asked for."""
        raise RuntimeError(f"{type(self).__name__} has no training steps")

    def losses(self, batch: Any, step: int) -> dict[str, Tensor]:
        """Never asked for."""
        raise RuntimeError(f"{type(self).__name__} has no training steps")


def restore(network: Network, run: Run, what: str) -> Network:
    """Return ``network`` with the tensors of ``run.folder / "model.safetensors"``.

    Args:
        network: of the architecture that was saved.
        run: whose folder.
        what: what the file should hold, for the error.

    Raises:
        UserError: the file is missing, damaged, or of another architecture.
    """
    path = run.folder / "model.safetensors"
    try:
        network.load_state_dict(safetensors.torch.load_file(path))
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        raise UserError(f"{path}: holds no {what} ({one_line(error)[:200]}); run `mmdino train` again") from None
    return network


class Method(Protocol):
    """The two functions of a method's ``method.py``."""

    def build(self, run: Run) -> Trainable:
        """Return the trainable at step 0."""

    def load(self, run: Run) -> Encoder:
        """Return the encoder from ``run.folder / "model.safetensors"``."""


def method(name: str) -> Method:
    """Return a method's module by its name (``mm-dinov2``); ``mmdino.config`` has checked that it exists."""
    return importlib.import_module(f"mmdino.methods.{name.replace('-', '_')}.method")


__all__ = ["Encoder", "Method", "MethodSettings", "Run", "Trainable", "Untrained", "method", "restore"]
