"""P5, P6: a training step of MM-DINOv2 with a ViT-S on a CPU, beside plain timm ViTs on as many tokens and forwards."""

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from goals import times_as_long
from mmdino.training.device import computes_bf16
from steps import BATCH, CPU, SMALL, TINY, method, step_of


@pytest.fixture
def fresh(tmp_path, quick):
    """Return what makes a method anew, with the same weights and draws."""
    return lambda: method(tmp_path, TINY if quick else SMALL)


def test_p5_a_step(beside, fresh, quick):
    what = f"a step of a {'tiny ViT' if quick else 'ViT-S'}, batch {BATCH}, fp32"
    plain = Plain(TINY if quick else SMALL)
    goal = times_as_long(1.1, guard=2)
    beside("P5", what, "timm's, as many tokens", step_of(fresh()), plain.step, goal, rounds=1 if quick else 3)


@pytest.mark.whole
@pytest.mark.parametrize(("name", "precision", "compiled"), [("bf16", "bf16", False), ("fp32, compiled", "fp32", True)])
def test_p6_a_step_otherwise(beside, fresh, name, precision, compiled):
    if precision == "bf16" and not computes_bf16(CPU):
        pytest.skip("this processor only emulates bf16, for minutes")
    usual, other = step_of(fresh()), step_of(fresh(), precision, compiled)
    apart = abs(first(other)["loss"] / first(usual)["loss"] - 1)
    assert apart < 0.01
    told = f"a step of a ViT-S, batch {BATCH}, {name} (loss {apart:.1%} apart)"
    beside("P6", told, "P5's step", other, usual, times_as_long(1.0), rounds=3)


def first(step: Callable[[], dict[str, Tensor]]) -> dict[str, float]:
    """Return the losses of a fresh network's first step, with drop-path drawn alike."""
    torch.manual_seed(0)
    return {name: float(value.detach()) for name, value in step().items()}


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
