"""A batch that memory does not hold: from then on it goes through the network in smaller parts, and the run says so."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from mmdino.errors import UserError, first_line
from mmdino.files import read_json, write_json
from mmdino.methods.base import Run
from mmdino.training.interrupt import Preempted

FILE = "memory.json"
RAN_OUT = ("out of memory", "can't allocate memory")  # of CUDA; of torch's allocator on a CPU


def ran_out(error: BaseException) -> bool:
    """Return whether an error says that memory ran out."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in RAN_OUT)


def fallback(run_folder: Path, key: str) -> dict[str, Any] | None:
    """Return in how many parts (``accumulate``) a batch is passed instead of those asked for, and why; None: it fits.

    It lies beside the checkpoints, and goes with them when the run is done.

    Args:
        run_folder: of the run.
        key: of what the checkpoints are of (``Checkpoints.key``): under other settings another batch may have fitted.
    """
    path = _path(run_folder)
    found = read_json(path) if path.exists() else {}
    return found if found.pop("key", None) == key else None


def as_it_fits(run: Run, key: str) -> Run:
    """Return the run with ``accumulate`` as an earlier start found it to fit. Batch and losses stay the whole batch's."""
    found = fallback(run.folder, key)
    if found is None:
        return run
    return replace(run, settings=run.settings.model_copy(update={"accumulate": found["accumulate"]}))


def take_smaller_parts(run: Run, asked: int, key: str, error: Exception) -> Preempted:
    """Write down that the next start passes a batch in twice as many parts, and return what ends this one.

    Args:
        run: as it was trained.
        asked: ``accumulate`` of the settings.
        key: as :func:`fallback`.
        error: torch's.

    Raises:
        UserError: the method cannot pass a batch in parts, or one part is a single patient already.
    """
    parts, batch = getattr(run.settings, "accumulate", None), getattr(run.settings, "batch", 1)
    if parts is None or parts >= batch:
        raise UserError(
            f"training: memory does not hold {'the batch' if parts is None else 'one patient'} "
            f"({first_line(error)}); lower `batch` or the crops, take `precision: auto`, or ask for more memory or a larger GPU"
        )
    smaller = min(2 * parts, batch)
    found = {"accumulate": smaller, "asked": asked, "reason": first_line(error), "key": key}
    write_json(_path(run.folder), found)
    return Preempted(
        f"memory ran out ({first_line(error)}); the same command goes on from the last checkpoint with the batch in "
        f"{smaller} parts instead of {parts}"
    )


def _path(run_folder: Path) -> Path:
    return run_folder / "checkpoints" / FILE
