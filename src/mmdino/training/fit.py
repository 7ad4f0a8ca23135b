"""From a method's name to a trained run: what ``mmdino train`` calls."""

import sys
from contextlib import nullcontext
from typing import Any

from mmdino.files import content_key
from mmdino.methods.base import Run, method
from mmdino.training.interrupt import Preempted
from mmdino.training.loop import train
from mmdino.training.memory import as_it_fits, fallback, ran_out, take_smaller_parts
from mmdino.training.processes import companions, node, process_group


def fit(run: Run, method_name: str, resolved: dict[str, Any], workers: int = 0, processes: int = 1) -> None:
    """Train ``method_name`` as ``run`` says, or go on where it was stopped.

    Args:
        run: settings, seed, folder, patients.
        method_name: a folder of ``mmdino/methods``, with dashes.
        resolved: ``LoadedStudy.resolved``: recorded in ``run.json``, and equal to a checkpoint's for a resume.
        workers: processes that make batches ahead (of each training process).
        processes: of this node that share every batch, one a GPU; a method that can't share trains in one, on the first node.

    Raises:
        UserError: as :func:`mmdino.training.loop.train`, or memory does not even hold one patient.
        Preempted: SIGTERM came, or memory ran out: the same call goes on, with the batch in smaller parts.
    """
    run.folder.mkdir(parents=True, exist_ok=True)
    identity = {**resolved, "seed": run.seed, "data": run.patients.fingerprint()}
    key = content_key(identity)
    fitting = as_it_fits(run, key)
    built = method(method_name).build(fitting)
    if not built.shares_batch and node() > 0:
        print(f"{method_name} trains in one process, which is the first node's", file=sys.stderr)
        return
    before = fallback(run.folder, key)
    try:
        with companions(processes) if built.shares_batch else nullcontext(), process_group():
            train(fitting, built, identity, workers=workers)
    except (MemoryError, RuntimeError) as error:
        if ran_out(error):
            raise take_smaller_parts(fitting, getattr(run.settings, "accumulate", 1), key, error) from None
        if fallback(run.folder, key) == before:
            raise
        raise Preempted(f"another process's memory ran out ({error}); the same command goes on") from None
