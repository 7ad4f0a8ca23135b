"""SIGINT and SIGTERM of a process that waits for a job, and what it tells meanwhile."""

import os
import select
import signal
import sys
import time
from types import FrameType


class Stop:
    """Notes SIGINT and SIGTERM while the block runs, so that neither falls between a submission and its record."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._wakers: list[int] = []  # what pause() listens to, while signals are noted

    def __enter__(self) -> "Stop":
        awake, self._wake = os.pipe()  # a sleep would go on after a signal; a read is woken by what the handler writes
        self._wakers = [awake]
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        os.write(self._wake, b"!")

    def __exit__(self, *raised: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        for end in (self._wake, *self._wakers):
            os.close(end)
        self._wakers = []

    def pause(self, seconds: float) -> None:
        """Sleep, but not through a signal."""
        for woken in select.select(self._wakers, [], [], seconds)[0]:
            os.read(woken, 1)  # or no later pause would last


def say(text: str, before: str = "") -> str:
    """Tell ``text``, unless it was told just before; return it."""
    if text != before:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
    return text
