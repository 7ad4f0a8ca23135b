"""A run that trains nothing: it takes over the weights of another one, to be asked in its own way."""

import shutil
from pathlib import Path
from typing import Any

from mmdino.files import atomic, read_json, write_json

COSTS = ("cpu_seconds", "wall_seconds", "gpu_joules", "peak_memory_bytes")  # spent once, and counted there


def adopt(trained: Path, folder: Path, resolved: dict[str, Any]) -> None:
    """Write a run's ``model.safetensors`` and ``run.json``, from those of the run of the same seed that it is trained as.

    Args:
        trained: the folder of that run.
        folder: the folder of this one.
        resolved: ``LoadedStudy.resolved`` of this run's experiment; it takes the place of the other's in the record.

    Raises:
        UserError: that run has not been trained, or the disk is full.
    """
    record = read_json(trained / "run.json")
    with atomic(folder / "model.safetensors") as temporary:
        shutil.copyfile(trained / "model.safetensors", temporary)
    kept = {key: value for key, value in record.items() if key not in COSTS}
    write_json(folder / "run.json", {**kept, **resolved})
