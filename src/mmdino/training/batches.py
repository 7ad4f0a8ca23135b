"""The batches of a run, made in this process or by workers ahead of it; what they hold does not depend on that."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from mmdino.errors import UserError
from mmdino.methods.base import Trainable
from mmdino.methods.common.batch import rendered
from mmdino.training.device import move, pin


def batches(method: Trainable, start: int, workers: int, device: torch.device) -> Iterator[tuple[int, Any]]:
    """Yield each step from ``start`` on with its batch, on ``device``, its views rendered.

    A GPU renders them itself, from slices that are a fifth of their size on the way; for a CPU the workers do.
    """
    steps = range(start, method.steps)
    on_gpu = device.type == "cuda"
    make = method.batch if on_gpu else lambda step: rendered(method.batch(step))
    workers = affordable(workers)
    made = _by_workers(make, steps, workers, pinned=on_gpu) if workers and steps else map(make, steps)
    for step, batch in zip(steps, made):
        yield step, rendered(move(batch, device))


def affordable(workers: int) -> int:
    """Return as many workers as there are cores for, and say so where that is fewer than asked."""
    cores = len(os.sched_getaffinity(0))
    if workers > cores:
        print(
            f"workers: {workers} are asked for, and there are {cores} cores; {cores} make the batches", file=sys.stderr
        )
    return min(workers, cores)


def _by_workers(make: Callable[[int], Any], steps: range, workers: int, pinned: bool) -> Iterator[Any]:
    loader = DataLoader(
        _Batches(make),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        pin_memory=pinned,  # by a thread of its own, so that the copy to the GPU waits for nothing
        multiprocessing_context="fork",  # the bank stays mapped once, and nothing is copied
        collate_fn=_unchanged,
        worker_init_fn=_leave_signals_to_the_run,
    )
    for made in loader:
        if isinstance(made.batch, UserError):
            raise made.batch
        yield made.batch


class _Batches(Dataset):
    """Batches by step. Bad input is handed over, since a worker that raises it adds a traceback to it."""

    def __init__(self, make: Callable[[int], Any]):
        self._make = make

    def __getitem__(self, step: int) -> "_Made":
        try:
            return _Made(self._make(step))
        except UserError as error:
            return _Made(error)


@dataclass(frozen=True)
class _Made:
    """A batch (or an error) on its way; the loader's thread asks it to be pinned."""

    batch: Any

    def pin_memory(self) -> "_Made":
        return _Made(pin(self.batch))


def _leave_signals_to_the_run(worker: int) -> None:
    """Ignore what a scheduler sends to every process of a job: the run finishes its step and then ends its workers."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)


def _unchanged(batch: Any) -> Any:
    return batch
