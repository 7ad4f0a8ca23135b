"""A training step of MM-DINOv2 as the loop does it, for what times or counts one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmdino.methods.base import Run
from mmdino.methods.common.batch import rendered
from mmdino.methods.common.processes import sum_gradients
from mmdino.methods.mm_dinov2.method import MMDinoV2
from mmdino.methods.mm_dinov2.model import Batch
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.training.compiling import compile_blocks
from mmdino.training.precision import Precision
from patients import phantoms

CPU = torch.device("cpu")
SMALL = {"dim": 384, "depth": 12, "heads": 6}
BATCH = 8
STEP = 1000  # past the steps in which the backbone is frozen
TINY = {"dim": 96, "depth": 2, "heads": 3, "head_hidden": 64}


def method(folder: Path, size: dict[str, Any]) -> MMDinoV2:
    settings = Settings(backbone="random", batch=BATCH, precision="fp32", **size)
    return MMDinoV2(Run(settings, 0, folder, phantoms(folder, 2 * BATCH)))


def step_of(trained: MMDinoV2, precision: str = "fp32", compiled: bool = False) -> Callable[[], dict[str, Tensor]]:
    """Return what does one step of the training loop on a batch at hand; it returns the losses."""
    batch, numbers = rendered(trained.batch(STEP)), Precision(precision, CPU)
    trained.network.train()
    if compiled:
        compile_blocks(trained.network, CPU)
    return lambda: one_step(trained, numbers, batch, STEP)


def one_step(trained: MMDinoV2, numbers: Precision, batch: Batch, step: int) -> dict[str, Tensor]:
    """Do what the training loop does with a batch, and return its losses."""
    trained.schedule(step)
    with numbers.autocast():
        losses = trained.losses(batch, step)
    trained.optimizer.zero_grad(set_to_none=True)
    numbers.backward(losses["loss"])
    sum_gradients(trained.network.parameters())
    numbers.step(trained.optimizer, trained.clip)
    trained.after_step(step)
    return losses
