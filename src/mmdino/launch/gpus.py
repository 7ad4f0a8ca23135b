"""One run a GPU on this machine, where no scheduler deals them out."""

import fcntl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from mmdino.launch.queue import folder_of_this_user

SECONDS = 5.0  # between two looks for one that has become free


@contextmanager
def leased(count: int, among: str | None, given_up: Callable[[], bool] = lambda: False) -> Iterator[str]:
    """Hold ``count`` GPUs of this machine while the block runs; yields them as ``CUDA_VISIBLE_DEVICES`` wants them.

    Waits until that many are free; all of them, where the machine has fewer. A lease ends with its process, however that ends.

    Args:
        count: GPUs.
        among: the ``CUDA_VISIBLE_DEVICES`` of whoever asks; None: all of this machine.
        given_up: whether waiting is no use any more; the block then has what could be had.
    """
    present = _all_of_this_machine() if among is None else [device for device in among.split(",") if device]
    held: dict[str, IO[str]] = {}
    try:
        while len(held) < min(count, len(present)) and not given_up():
            for device in present:
                if device not in held and len(held) < count:
                    _try(device, held)
            if len(held) < min(count, len(present)):
                _let_go(held)  # or two runs of two GPUs would wait for each other for ever
                time.sleep(SECONDS)
        yield ",".join(sorted(held, key=present.index))
    finally:
        _let_go(held)


def _try(device: str, held: dict[str, IO[str]]) -> None:
    opened = open(folder_of_this_user() / f"gpu-{device}.lock", "w")  # noqa: SIM115 - held until it is let go
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held[device] = opened
    except BlockingIOError:
        opened.close()


def _let_go(held: dict[str, IO[str]]) -> None:
    for opened in held.values():
        opened.close()
    held.clear()


def _all_of_this_machine() -> list[str]:
    try:
        said = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [str(number) for number in range(len(said.splitlines()))]
