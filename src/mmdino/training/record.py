"""``run.json``: what was run, on what, with which versions, for how long, and how well it did on validation."""

import importlib.metadata
import platform
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from mmdino.training.device import device_name, peak_memory_bytes
from mmdino.training.energy import gpu_joules

PACKAGES = ("mmdino", "numpy", "pandas", "safetensors", "scikit-learn", "timm", "torch")


@dataclass
class Clock:
    """CPU and wall seconds and the GPU's joules of a run (this process's), those before an interruption included."""

    device: torch.device
    cpu_before: float = 0.0
    wall_before: float = 0.0
    joules_before: float = 0.0
    _cpu: float = field(default_factory=time.process_time)
    _wall: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._joules = gpu_joules(self.device)

    @property
    def cpu(self) -> float:
        """CPU seconds of all threads."""
        return self.cpu_before + time.process_time() - self._cpu

    @property
    def wall(self) -> float:
        """Wall seconds."""
        return self.wall_before + time.monotonic() - self._wall

    @property
    def joules(self) -> float:
        """The GPU's joules; 0 where they are not known."""
        now = gpu_joules(self.device)
        return self.joules_before + (now - self._joules if now is not None and self._joules is not None else 0.0)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def git_commit() -> str | None:
    """Return the commit of the project's working tree, ``-dirty`` where it was changed, or None outside of git."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True)
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("-dirty" if changed.stdout.strip() else "")


def record(identity: dict[str, Any], key: str, device: torch.device, clock: Clock, **results: Any) -> dict[str, Any]:
    """Return the content of ``run.json``."""
    return {
        **identity,
        "content_key": key,
        "versions": versions(),
        "git_commit": git_commit(),
        "device": device_name(device),
        "cpu_seconds": round(clock.cpu, 2),
        "wall_seconds": round(clock.wall, 2),
        **({"gpu_joules": round(clock.joules)} if clock.joules else {}),
        "peak_memory_bytes": peak_memory_bytes(device),
        **results,
    }
