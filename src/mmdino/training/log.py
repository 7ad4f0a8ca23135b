"""The training log: one JSON object a line, the same for TensorBoard, and progress for whoever is watching."""

import json
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from mmdino.files import write_text

TIMINGS = (
    "images_per_second",
    "seconds_left",
)  # by these alone an interrupted run's log differs from an undisturbed one's
SHOWN = ("loss", "lr", "images_per_second")
TELL_EVERY = 60.0  # seconds, where no terminal shows a bar


class Log:
    """``log.jsonl``: each line is a step with its losses, its schedule and, where it was evaluated, validation MCC.

    Args:
        folder: of the run; TensorBoard's events go to ``tensorboard/``.
        start: steps done; later lines, left by a run that was killed after its last checkpoint, are cut off.
        steps: of the whole run.
    """

    def __init__(self, folder: Path, start: int, steps: int):
        path, events = folder / "log.jsonl", folder / "tensorboard"
        kept = [line for line in _lines(path) if _step(line) <= start] if start else []
        write_text(path, "".join(kept))
        if not start:
            shutil.rmtree(events, ignore_errors=True)
        self._name, self._steps, self._first = folder.parent.name, steps, start
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._events = SummaryWriter(str(events), purge_step=start + 1)
        self._watched = sys.stderr.isatty()
        self._bar = tqdm(total=steps, initial=start, desc=self._name, unit="step", disable=not self._watched)
        self._begun = self._told = self._last = time.monotonic()

    def write(self, step: int, values: Mapping[str, float], images: int) -> None:
        """Append the line of step number ``step`` (counted from 1), which looked at ``images`` patients."""
        now = time.monotonic()
        left = (self._steps - step) * (now - self._begun) / (step - self._first)
        line = {**values, "images_per_second": images / (now - self._last), "seconds_left": left}
        self._last = now
        self._file.write(json.dumps({"step": step, **{name: _short(value) for name, value in line.items()}}) + "\n")
        self._file.flush()
        for name, value in line.items():
            self._events.add_scalar(name, value, step)
        self._tell(step, ", ".join(f"{name} {line[name]:.3g}" for name in SHOWN if name in line), left)

    def _tell(self, step: int, shown: str, left: float) -> None:
        self._bar.set_postfix_str(shown, refresh=False)
        self._bar.update()
        if not self._watched and time.monotonic() - self._told > TELL_EVERY:
            self._told = time.monotonic()
            print(f"{self._name}: step {step}/{self._steps}, {shown}, {left / 60:.0f} min left", file=sys.stderr)

    def __enter__(self) -> "Log":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        self._events.close()
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
