"""How much of a step two processes spend on each other: MM-DINOv2 with a ViT-S over gloo, on a CPU.

    python benchmarks/ddp.py [--processes 2] [--steps 3] [--small]

CPU seconds of the first process, in which waiting for a busy core does not count, and the bytes that each step sends.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

import steps
from mmdino.methods.common.batch import rendered
from mmdino.methods.common.processes import rank
from mmdino.training.precision import Precision
from mmdino.training.processes import companions, process_group


class Meter:
    """CPU seconds spent in some functions, and the bytes of the tensors that they are given."""

    def __init__(self) -> None:
        self.seconds, self.sent = 0.0, 0

    def of(self, function: Callable, tensor: int) -> Callable:
        """Return ``function``, metered; its argument number ``tensor`` is what is sent."""

        def metered(*given: Any, **named: Any) -> Any:
            began = time.process_time()
            try:
                return function(*given, **named)
            finally:
                self.seconds += time.process_time() - began
                self.sent += given[tensor].nbytes if isinstance(given[tensor], torch.Tensor) else 0

        return metered


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="a tiny network, to try the script out")
    given = parser.parse_args()
    torch.set_num_threads(1)
    with (
        companions(given.processes, [sys.executable, *sys.argv]),
        process_group(),
        tempfile.TemporaryDirectory() as work,
    ):
        found = share(Path(work), steps.TINY if given.small else steps.SMALL, given.steps)
        if rank() == 0:
            print(json.dumps(found, indent=1))


def share(folder: Path, size: dict[str, Any], count: int) -> dict[str, float]:
    """Return a step's CPU seconds, those of them spent on gradients and on scores, and what is sent in MB."""
    trained = steps.method(folder, size)
    trained.network.train()
    scores, gradients = Meter(), Meter()
    batch, numbers = rendered(trained.batch(steps.STEP)), Precision("fp32", steps.CPU)
    steps.one_step(trained, numbers, batch, steps.STEP)
    dist.all_gather = scores.of(dist.all_gather, 1)
    steps.sum_gradients = gradients.of(steps.sum_gradients, 0)
    began = time.process_time()
    for _ in range(count):
        steps.one_step(trained, numbers, batch, steps.STEP)
    whole = (time.process_time() - began) / count
    parameters = sum(p.nbytes for p in trained.student.parameters() if p.requires_grad)
    return {
        "CPU s a step": whole,
        "of them for gradients": gradients.seconds / count,
        "of them for scores": scores.seconds / count,
        "communication": (gradients.seconds + scores.seconds) / count / whole,
        "MB of gradients": parameters / 1e6,
        "MB of scores": scores.sent / count / 1e6,
    }


if __name__ == "__main__":
    main()
