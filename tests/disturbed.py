"""``mmdino`` as it is under conditions that no test can bring about: steps that take long, a GPU whose memory is small.

python tests/disturbed.py slow=1.2 small=6 train --study …
"""

import os
import sys
import time

import torch

from mmdino.cli import main
from mmdino.models.vit import MultiModalViT
from mmdino.training import loop


def slow(seconds: float) -> None:
    """Let every step wait for its batch."""
    quick = loop.batches

    def batches(*arguments):
        for batch in quick(*arguments):
            time.sleep(seconds)
            yield batch

    loop.batches = batches


def slow_twice(seconds: float) -> None:
    """The same, until SLURM has put the job back into the queue twice: however slow the machine, that is enough."""
    if int(os.environ.get("SLURM_RESTART_COUNT", "0")) < 2:
        slow(seconds)


def small(crops: float) -> None:
    """Let memory be too small for the activations of more crops than that."""
    forward = MultiModalViT.forward

    def limited(self, images, *arguments, **options):
        if torch.is_grad_enabled() and len(images) > crops:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nGPU 0 has …")
        return forward(self, images, *arguments, **options)

    MultiModalViT.forward = limited


if __name__ == "__main__":
    while "=" in sys.argv[1]:
        name, value = sys.argv.pop(1).split("=")
        {"slow": slow, "slow_twice": slow_twice, "small": small}[name](float(value))
    main()
