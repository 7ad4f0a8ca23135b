"""From a method's name to a trained run: what ``mmdino train`` calls."""

from typing import Any

from mmdino.methods.base import Run, method
from mmdino.training.loop import train
from mmdino.training.processes import companions, process_group


def fit(run: Run, method_name: str, resolved: dict[str, Any], workers: int = 0, processes: int = 1) -> None:
    """Train ``method_name`` as ``run`` says, or go on where it was stopped.

    Args:
        run: settings, seed, folder, patients.
        method_name: a folder of ``mmdino/methods``, with dashes.
        resolved: ``LoadedStudy.resolved``: recorded in ``run.json``, and equal to a checkpoint's for a resume.
        workers: processes that make batches ahead (of each training process).
        processes: that share every batch, one a GPU; a method that can't share trains in one.

    Raises:
        UserError: as :func:`mmdino.training.loop.train`.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    identity = {**resolved, "seed": run.seed, "data": run.patients.fingerprint()}
    built = method(method_name).build(run)
    with companions(processes if built.shares_batch else 1), process_group():
        train(run, built, identity, workers=workers)
