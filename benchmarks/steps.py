"""P5, P6: a training step of MM-DINOv2 with a ViT-S on a CPU, beside plain timm ViTs on as many tokens and forwards."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from mmdino.methods.base import Run
from mmdino.methods.common.batch import rendered
from mmdino.methods.common.processes import sum_gradients
from mmdino.methods.mm_dinov2.method import MMDinoV2
from mmdino.methods.mm_dinov2.model import Batch
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.training.compiling import compile_blocks
from mmdino.training.device import computes_bf16
from mmdino.training.precision import Precision
from patients import phantoms
from ratio import Row, compare

CPU = torch.device("cpu")
SMALL = {"dim": 384, "depth": 12, "heads": 6}
BATCH = 8
STEP = 1000  # past the steps in which the backbone is frozen
TINY = {"dim": 96, "depth": 2, "heads": 3, "head_hidden": 64}


def rows(quick: bool) -> list[Row]:
    size, rounds = (TINY, 1) if quick else (SMALL, 3)
    with tempfile.TemporaryDirectory() as work:
        ours = step_of(method(Path(work), size))
        losses = first(ours)
        what, reference = f"a step of a {'tiny ViT' if quick else 'ViT-S'}, batch {BATCH}", "timm's, as many tokens"
        found = [compare("P5", what + ", fp32", reference, ours, Plain(size).step, ("≤", 1.1), rounds)]
        others = [] if quick else [("bf16", "bf16", False), ("fp32, compiled", "fp32", True)]
        if not computes_bf16(CPU):
            others = [other for other in others if other[1] != "bf16"]  # this processor only emulates it, for minutes
        for name, precision, compiled in others:
            other = step_of(method(Path(work), size), precision, compiled)
            apart = abs(first(other)["loss"] / losses["loss"] - 1)
            told = f"{what}, {name} (loss {apart:.1%} apart)"
            found.append(compare("P6", told, "P5's step", other, ours, ("≤", 1.0), rounds))
    return found


def first(step: Callable[[], dict[str, Tensor]]) -> dict[str, float]:
    """Return the losses of a fresh network's first step, with drop-path drawn alike."""
    torch.manual_seed(0)
    return {name: float(value.detach()) for name, value in step().items()}


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


class Plain:
    """Two of timm's ViTs: the student sees two global crops and eight local ones, the teacher the global ones.

    Four sequences of 7 × 7 patches are one image of 14 × 14. No heads, no losses to speak of, AdamW and the moving average.
    """

    def __init__(self, size: dict[str, Any]):
        shape = {"embed_dim": size["dim"], "depth": size["depth"], "num_heads": size["heads"]}
        self.student, self.teacher = (self._vit(shape, rate) for rate in (0.3, 0.0))
        self.teacher.requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.student.parameters())
        self.whole, self.local = torch.randn(2 * BATCH, 3, 196, 196), torch.randn(8 * BATCH, 3, 112, 112)

    @staticmethod
    def _vit(shape: dict[str, int], drop_path: float) -> nn.Module:
        return timm.models.VisionTransformer(
            img_size=196,
            patch_size=14,
            num_classes=0,
            init_values=1e-5,
            drop_path_rate=drop_path,
            dynamic_img_size=True,
            **shape,
        )

    def step(self) -> None:
        with torch.no_grad():
            target = self.teacher.forward_features(self.whole)
        loss = nn.functional.mse_loss(self.student.forward_features(self.whole), target)
        loss = loss + self.student(self.local).square().mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            for teacher, student in zip(self.teacher.parameters(), self.student.parameters()):
                teacher.mul_(0.99).add_(student, alpha=0.01)
