"""A run that trains nothing: it takes over the weights of another one, whose training is the same."""

import shutil
from pathlib import Path
from typing import Any

from mmdino.errors import UserError
from mmdino.files import atomic, read_json, write_json

COSTS = ("cpu_seconds", "wall_seconds", "gpu_joules", "peak_memory_bytes")  # spent once, and counted there


def adopt(trained: Path, folder: Path, resolved: dict[str, Any], of: str | None) -> None:
    """Write a run's ``model.safetensors`` and ``run.json``, from those of the run of the same seed that it is trained as.

    The record names that run's experiment as ``trained_as`` and counts none of its cost.

    Args:
        trained: the folder of that run.
        folder: the folder of this one.
        resolved: ``LoadedStudy.resolved`` of this run's experiment; it takes the place of the other's in the record.
        of: the experiment whose weights it may have, ``LoadedStudy.trained_as``; none if it trains its own.

    Raises:
        UserError: that run has not been trained, is another experiment's, or the disk is full.
    """
    record = read_json(trained / "run.json")
    if record["experiment"] != of:
        says = f"has the weights of '{of}'" if of else "is trained as no other one of the study"
        raise UserError(f"{trained}: is a run of '{record['experiment']}', but '{resolved['experiment']}' {says}")
    with atomic(folder / "model.safetensors") as temporary:
        shutil.copyfile(trained / "model.safetensors", temporary)
    kept = {key: value for key, value in record.items() if key not in COSTS}
    write_json(folder / "run.json", {**kept, **resolved, "trained_as": of})
