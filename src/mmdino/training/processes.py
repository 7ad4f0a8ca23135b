"""The processes of a run: ours start each other, one a GPU; ``torchrun`` may have started them instead."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist


def node() -> int:
    """Return which of the nodes that train together this is (``torchrun``'s name for it; ``mmdino submit`` sets it too)."""
    return int(os.environ.get("GROUP_RANK", "0"))


def nodes() -> int:
    """Return how many nodes train together."""
    return int(os.environ.get("GROUP_WORLD_SIZE", "1"))


@contextmanager
def companions(count: int, command: Sequence[str] | None = None) -> Iterator[None]:
    """Start further processes of this command, so that with this one there are ``count`` on this node.

    Each knows the others, those of other nodes too, by ``torchrun``'s environment variables. They stop when this one is told
    to (see :func:`mmdino.methods.common.processes.anywhere`); where this one fails, they are ended.

    Args:
        count: of processes; 1 on a single node, or being one of several already: none is started.
        command: what they run; this process's own by default.
    """
    world = count * nodes()
    if world == 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1:
        yield
        return
    first, *ranks = [{"RANK": str(count * node() + local), "LOCAL_RANK": str(local)} for local in range(count)]
    mine = {"WORLD_SIZE": str(world), **_meeting_point(), **first}
    new = set(mine) - set(os.environ)
    os.environ.update(mine)
    command = command or [sys.executable, "-m", "mmdino", *sys.argv[1:]]
    others = [subprocess.Popen(command, env={**os.environ, **rank}) for rank in ranks]
    try:
        yield
        for other in others:
            other.wait()
    finally:
        for other in others:
            other.terminate()
        for name in new:
            del os.environ[name]


def _meeting_point() -> dict[str, str]:
    """Return where the processes meet: as several nodes were told, or a free port of this machine."""
    if nodes() > 1:
        return {name: os.environ[name] for name in ("MASTER_ADDR", "MASTER_PORT")}
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return {"MASTER_ADDR": "localhost", "MASTER_PORT": str(free.getsockname()[1])}


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
