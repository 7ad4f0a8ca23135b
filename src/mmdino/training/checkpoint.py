"""Checkpoints: whole or absent, the newest two kept with the best weights that they name, refused under other settings."""

import pickle
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from mmdino.errors import UserError, first_line
from mmdino.files import atomic, content_key

KEPT = 2
OLDER_BEST = "best.safetensors"  # of versions that kept one file for the best weights, whatever their step


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
        self._named: dict[Path, Path] = {}  # by checkpoint, the best weights that it names

    def save(self, step: int, state: Mapping[str, Any]) -> None:
        """Write the state after ``step`` steps, then remove all but the newest ``KEPT`` and the weights that they name.

        A checkpoint of a later step is one that could not be read when this run went on: what it names may be gone.
        """
        path = self._path(step)
        with atomic(path) as temporary:
            torch.save({"step": step, "key": self.key, "identity": self.identity, **state}, temporary)
        self._names(path, state["best"])
        kept = [checkpoint for checkpoint in self._newest_first() if checkpoint <= path][:KEPT]
        for old in set(self._newest_first()) - set(kept):
            old.unlink()
        named = {self._named[checkpoint] for checkpoint in kept if checkpoint in self._named}
        for old in set(self.folder.glob("best*.safetensors")) - named:
            old.unlink()

    def best(self, step: int) -> Path:
        """Where the best weights are kept that were found after ``step`` steps, by ``step`` so that an older checkpoint's stay.

        Snakemake removes a failed job's outputs, so it is none of those.
        """
        return self.folder / f"best-{step:08d}.safetensors"

    def found(self, best: Mapping[str, Any]) -> Path:
        """Where the weights lie that a state's ``best`` names; an older version kept them under one name."""
        path, older = self.best(best["step"]), self.folder / OLDER_BEST
        return older if older.exists() and not path.exists() else path

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
                    f"{path}: cannot be read ({first_line(error)}); going on from the checkpoint before it",
                    file=sys.stderr,
                )
                continue
            if state["key"] != self.key:
                changed = ", ".join(differences(state["identity"], self.identity))
                raise UserError(
                    f"{path}: was written under other settings ({changed}); "
                    f"set them back to go on from it, or delete {self.folder.parent} to train anew"
                )
            self._names(path, state["best"])
            return state
        return None

    def clear(self) -> None:
        """Remove all, once the run is finished; the best last, since what a state says of it must stay true."""
        for path in self._newest_first():
            path.unlink()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}.pt"

    def _names(self, checkpoint: Path, best: Mapping[str, Any] | None) -> None:
        if best is not None:
            self._named[checkpoint] = self.found(best)

    def _newest_first(self) -> list[Path]:
        return sorted(self.folder.glob("step-*.pt"), reverse=True)


def differences(old: Any, new: Any, name: str = "") -> Iterator[str]:
    """Yield ``name: old → new`` for each leaf that differs between two nested mappings."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from differences(old.get(key), new.get(key), f"{name}.{key}" if name else str(key))
    elif old != new:
        yield f"{name}: {old!r} → {new!r}"
