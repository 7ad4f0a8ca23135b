"""Stopping between two steps when the scheduler or the user asks for it."""

import signal
import threading
from types import FrameType, TracebackType
from typing import NoReturn

from mmdino.errors import UserError


class Preempted(UserError):
    """The run was told to stop, wrote a checkpoint and stopped; the command line exits with ``exit_code``."""

    exit_code = 75  # EX_TEMPFAIL: the same command goes on from here


class Interrupt:
    """Note SIGTERM and SIGINT while the block runs, instead of dying in the middle of a step.

    A second SIGINT acts as ever, so that nobody has to wait. A second SIGTERM does not: a scheduler sends it to every process
    of a job, and whoever looks after this one sends it too.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> "Interrupt":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number
        if number == signal.SIGINT:
            self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
        self._before = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def stop(self, step: int) -> NoReturn:
        """Stop the run after a checkpoint at ``step``.

        Raises:
            KeyboardInterrupt: on SIGINT.
            Preempted: on SIGTERM, here or in another process of the run.
        """
        if self.received == signal.SIGINT:
            raise KeyboardInterrupt
        raise Preempted(f"stopped at step {step} by SIGTERM, with a checkpoint; the same command goes on from there")
