"""`make bench-gpu`: MM-DINOv2 with a ViT-B, batch 64, on the GPU at hand, its batches made by the real pipeline.

    python benchmarks/gpu.py [--workers 8] [--compile] [--peak TFLOPS] [--small]

Into results/bench-gpu.json: the card, samples a second, the share of its bf16 peak (FLOPs counted on one step), how long it
waits for data, peak memory, and the loss step by step in fp32 and bf16. ``--small`` tries the script out, on a CPU too: no
figure of it means anything.
"""

import argparse
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from mmdino.dataset.patients import Patients
from mmdino.files import write_json
from mmdino.methods.base import Run
from mmdino.methods.mm_dinov2.method import MMDinoV2
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.training.batches import batches
from mmdino.training.compiling import compile_blocks
from mmdino.training.device import best_device, device_name, peak_memory_bytes
from mmdino.training.precision import Precision
from mmdino.training.record import git_commit, versions
from patients import phantoms
from steps import TINY, one_step

PEAKS = {
    "H200": 989,
    "H100 PCIe": 756,
    "H100 NVL": 835,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "A40": 150,
}  # dense bf16
LARGE = {"batch": 64, "patients": 512, "warm": 10, "steps": 100}
SMALL = {"batch": 4, "patients": 16, "warm": 1, "steps": 2}


@dataclass(frozen=True)
class Speed:
    """What a stretch of training took: wall seconds, the part of them without a batch at hand, and each step's loss."""

    seconds: float
    waited: float
    flops: int
    losses: list[float]
    memory: dict[str, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--compile", action="store_true", help="compile the transformer's blocks")
    parser.add_argument("--peak", type=float, help="the card's bf16 peak in TFLOPS, if it isn't one of the known")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("results/bench-gpu.json"))
    given = parser.parse_args()
    if best_device().type == "cpu" and not given.small:
        sys.exit("there is no GPU here; --small tries the script out on the CPU")
    found = measure(SMALL if given.small else LARGE, given.small, given.workers, given.compile, given.peak)
    write_json(given.out, found)
    for name in (
        "device",
        "samples_per_second",
        "mfu",
        "waiting_for_data",
        "peak_memory_bytes",
        "largest_loss_difference",
    ):
        print(f"{name}: {found[name]}")


def measure(size: dict[str, int], small: bool, workers: int, compiled: bool, peak: float | None) -> dict:
    """Return the content of results/bench-gpu.json."""
    device = best_device()
    with tempfile.TemporaryDirectory() as work:
        patients = phantoms(Path(work), size["patients"])
        speeds = {
            name: train(trainable(patients, Path(work), name, size, small), size, workers, device, compiled)
            for name in ("bf16", "fp32")
        }
    fast, slow = speeds["bf16"], speeds["fp32"]
    known = peak or next((peak for name, peak in PEAKS.items() if name in device_name(device)), None)
    return {
        "device": device_name(device),
        "versions": versions(),
        "commit": git_commit(),
        "small": small,
        "workers": workers,
        "compiled": compiled,
        "samples_per_second": size["batch"] * size["steps"] / fast.seconds,
        "mfu": None if known is None else fast.flops * size["steps"] / fast.seconds / (known * 1e12),
        "waiting_for_data": fast.waited / fast.seconds,
        "peak_memory_bytes": fast.memory,
        "largest_loss_difference": max(abs(a - b) / abs(b) for a, b in zip(fast.losses, slow.losses)),
        "runs": {name: asdict(speed) for name, speed in speeds.items()},
    }


def trainable(patients: Patients, folder: Path, precision: str, size: dict[str, int], small: bool) -> MMDinoV2:
    """Return the method as the paper sets it (ViT-B), but learning from the first step on."""
    learning = {
        "warmup_steps": 0,
        "freeze_backbone_steps": 0,
        "freeze_last_layer_steps": 0,
        "steps": size["warm"] + size["steps"],
    }
    settings = Settings(
        backbone="random", batch=size["batch"], precision=precision, **learning, **(TINY if small else {})
    )
    return MMDinoV2(Run(settings, 0, folder, patients))


def train(trained: MMDinoV2, size: dict[str, int], workers: int, device: torch.device, compiled: bool) -> Speed:
    """Train for the warm-up's steps, of which the first counts FLOPs, and then time the others."""
    trained.network.to(device)
    trained.network.train()
    numbers, losses, waited, flops = Precision(trained.precision, device), [], 0.0, 0
    began = last = time.perf_counter()
    for step, batch in batches(trained, 0, workers, device):
        if step == size["warm"]:
            began, waited = last, 0.0
        waited += time.perf_counter() - last
        torch.manual_seed(step)
        with FlopCounterMode(display=False) if step == 0 else nullcontext() as counter:
            losses.append(float(one_step(trained, numbers, batch, step)["loss"].detach()))  # read: the step is done
        if counter is not None:
            flops = counter.get_total_flops()
            if compiled:
                compile_blocks(trained.network, device)
        last = time.perf_counter()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return Speed(time.perf_counter() - began, waited, flops, losses, peak_memory_bytes(device))


if __name__ == "__main__":
    main()
