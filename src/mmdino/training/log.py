"""The training log: one JSON object a line, and a progress bar where somebody is watching."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tqdm import tqdm

from mmdino.files import write_text

TIMINGS = ("images_per_second",)  # the only keys by which an interrupted run's log differs from an undisturbed one's


class Log:
    """``log.jsonl``: each line is a step with its losses, its schedule and, where it was evaluated, validation MCC.

    Args:
        path: where it lies.
        start: steps done; later lines, left by a run that was killed after its last checkpoint, are cut off.
        steps: of the whole run.
    """

    def __init__(self, path: Path, start: int, steps: int):
        kept = [line for line in _lines(path) if _step(line) <= start] if start else []
        write_text(path, "".join(kept))
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._bar = tqdm(
            total=steps, initial=start, desc=path.parent.parent.name, unit="step", disable=not sys.stderr.isatty()
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Append the line of step number ``step`` (counted from 1)."""
        self._file.write(json.dumps({"step": step, **{name: _short(value) for name, value in values.items()}}) + "\n")
        self._file.flush()
        shown = {name: f"{values[name]:.3g}" for name in ("loss", "lr", "images_per_second") if name in values}
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update()

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        self._file.close()


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []


def _step(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except ValueError:  # the last line of a run that was killed while writing it
        return float("inf")


def _short(value: float) -> float:
    return float(f"{value:.7g}")
