"""In which numbers the forward pass and the losses are computed, and the scaling of the loss that fp16 needs."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from mmdino.training.device import computes_bf16

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """fp32, or autocast to bf16 or fp16; weights, gradients and optimiser stay fp32.

    Args:
        name: fp32, bf16, fp16, or auto: bf16 where the hardware computes it, else fp32.
        device: where.
    """

    def __init__(self, name: str, device: torch.device):
        if name == "auto":
            name = "bf16" if computes_bf16(device) else "fp32"
        self._device, self._dtype = device.type, DTYPES.get(name)
        self.scaler = torch.amp.GradScaler(self._device, enabled=name == "fp16")

    def autocast(self) -> AbstractContextManager:
        """Return the context of the forward pass and the losses."""
        return torch.autocast(self._device, self._dtype or torch.bfloat16, enabled=self._dtype is not None)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of the (scaled) loss."""
        self.scaler.scale(loss).backward()

    def step(self, optimizer: torch.optim.Optimizer, clip: Callable[[], None]) -> None:
        """Unscale the gradients, clip them, and step; where fp16 overflowed, skip the step and scale less."""
        self.scaler.unscale_(optimizer)
        clip()
        self.scaler.step(optimizer)
        self.scaler.update()
