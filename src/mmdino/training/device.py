"""The device that trains: which, what it can do, and what was asked of it."""

import platform
import resource
from typing import Any

import torch
from torch import Tensor

from mmdino.methods.common.batch import mapped


def best_device() -> torch.device:
    """Return the GPU where there is one, else the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def computes_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32 here; a CPU without the instructions emulates it slowly."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()


def move(value: Any, device: torch.device) -> Any:
    """Return a batch (a dataclass, perhaps of dataclasses) with all of its tensors on ``device``."""
    return mapped(value, Tensor, lambda tensor: tensor.to(device, non_blocking=True))


def pin(value: Any) -> Any:
    """Return a batch in memory from which a GPU copies while it computes."""
    return mapped(value, Tensor, Tensor.pin_memory)


def peak_memory_bytes(device: torch.device) -> dict[str, int]:
    """Return the process's peak resident memory, and the GPU's where one is used."""
    peak = {"host": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    if device.type == "cuda":
        peak["gpu"] = torch.cuda.max_memory_allocated(device)
    return peak


def device_name(device: torch.device) -> str:
    """Return the device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU ({platform.machine()}, {torch.get_num_threads()} threads)"
