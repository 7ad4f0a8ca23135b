"""Checkpoints: whole or absent, the newest two kept, refused where they belong to other settings."""

import pickle
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from mmdino.errors import UserError
from mmdino.files import atomic, content_key

KEPT = 2
BEST = "best.safetensors"


class Checkpoints:
    """The checkpoints of one run.

    Of several processes the first alone writes.

    Args:
        folder: ``<run>/checkpoints``.
        identity: everything that must be equal for a resume: resolved settings, seed, data fingerprint.
    """

    def __init__(self, folder: Path, identity: Mapping[str, Any]):
        self.folder = folder
        self.identity = dict(identity)
        self.key = content_key(self.identity)

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write the state after ``step`` steps, then remove all but the newest ``KEPT``."""
        with atomic(self.folder / f"step-{step:08d}.pt") as temporary:
            torch.save({"step": step, "key": self.key, "identity": self.identity, **state}, temporary)
        for old in self._newest_first()[KEPT:]:
            old.unlink()

    @property
    def best(self) -> Path:
        """Where the best weights so far lie. Snakemake removes a failed job's outputs, so it is none of those."""
        return self.folder / BEST

    def load(self) -> dict[str, Any] | None:
        """Return the newest readable state, or None.

        Raises:
            UserError: it was written under other settings.
        """
        for path in self._newest_first():
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
            except (OSError, EOFError, RuntimeError, ValueError, KeyError, pickle.UnpicklingError) as error:
                print(
                    f"{path}: cannot be read ({_first_line(error)}); going on from the checkpoint before it",
                    file=sys.stderr,
                )
                continue
            if state["key"] != self.key:
                changed = ", ".join(differences(state["identity"], self.identity))
                raise UserError(
                    f"{path}: was written under other settings ({changed}); "
                    f"set them back to go on from it, or delete {self.folder.parent} to train anew"
                )
            return state
        return None

    def clear(self) -> None:
        """Remove all, once the run is finished; the best last, since what a state says of it must stay true."""
        for path in self._newest_first():
            path.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.pt"), reverse=True)


def differences(old: Any, new: Any, name: str = "") -> Iterator[str]:
    """Yield ``name: old → new`` for each leaf that differs between two nested mappings."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
    elif old != new:
        yield f"{name}: {old!r} → {new!r}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
