"""A run that trains nothing: it takes over the weights of another one, whose training is the same."""

import shutil
from pathlib import Path
from typing import Any

from mmdino.errors import UserError
from mmdino.files import atomic, read_json, write_json

ITS_OWN = ("data_seen", "leak")  # of the other experiment, where it has them
LEFT_BEHIND = ("checkpoints", "tensorboard")
COSTS = ("cpu_seconds", "wall_seconds", "gpu_joules", "peak_memory_bytes")  # spent once, and counted there


def adopt(trained: Path, folder: Path, resolved: dict[str, Any], of: dict[str, Any] | None) -> None:
    """Write a run's ``model.safetensors`` and ``run.json``, from those of the run of the same seed that it is trained as.

    The record names that run's experiment as ``trained_as`` and counts none of its cost. What an earlier training of this
    run left behind is removed.

    Args:
        trained: the folder of that run.
        folder: the folder of this one.
        resolved: ``LoadedStudy.resolved`` of this run's experiment; it takes the place of the other's in the record.
        of: the same of the experiment whose weights it may have (``LoadedStudy.trained_as``); none if it trains its own.

    Raises:
        UserError: that run has not been trained, is another experiment's or of other settings, or the disk is full.
    """
    record = read_json(trained / "run.json")
    _require_its_training(trained, record, resolved["experiment"], of)
    with atomic(folder / "model.safetensors") as temporary:
        shutil.copyfile(trained / "model.safetensors", temporary)
    for name in LEFT_BEHIND:
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "log.jsonl").unlink(missing_ok=True)
    kept = {key: value for key, value in record.items() if key not in (*COSTS, *ITS_OWN)}
    write_json(folder / "run.json", {**kept, **resolved, "trained_as": record["experiment"]})


def _require_its_training(trained: Path, record: dict[str, Any], name: str, of: dict[str, Any] | None) -> None:
    if of is None:
        raise UserError(f"'{name}' is trained as no other experiment of the study; use `mmdino train`")
    if record["experiment"] != of["experiment"]:
        raise UserError(
            f"{trained}: is a run of '{record['experiment']}', but '{name}' has the weights of '{of['experiment']}'"
        )
    if any(record.get(key) != of.get(key) for key in ("method", "settings", *ITS_OWN)):
        raise UserError(f"{trained}: was trained with other settings than the study has now; train it again")
