"""The processes of a run: ours start each other, one a GPU; ``torchrun`` may have started them instead."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist


@contextmanager
def companions(count: int, command: Sequence[str] | None = None) -> Iterator[None]:
    """Start further processes of this command, so that with this one, the first, there are ``count``.

    Each knows the others by ``torchrun``'s environment variables. They stop when this one is told to (see
    :func:`mmdino.methods.common.processes.anywhere`); where this one fails, they are ended.

    Args:
        count: of processes; 1, or being one of several already: none is started.
        command: what they run; this process's own by default.
    """
    if count == 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        yield
        return
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": str(count), "MASTER_ADDR": "localhost", "MASTER_PORT": port}
    command = command or [sys.executable, "-m", "mmdino", *sys.argv[1:]]
    os.environ.update(shared, RANK="0", LOCAL_RANK="0")
    others = [
        subprocess.Popen(command, env={**os.environ, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(1, count)
    ]
    try:
        yield
        for other in others:
            other.wait()
    finally:
        for other in others:
            other.terminate()
        for name in (*shared, "RANK", "LOCAL_RANK"):
            del os.environ[name]


@contextmanager
def process_group() -> Iterator[None]:
    """Join the processes of this run: over NCCL on GPUs, one each, else over gloo. A single process needs no group."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()
