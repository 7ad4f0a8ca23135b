"""What a job does on its node: run a command, stop it in time, and say how it ended."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.launch.gpus import leased
from mmdino.launch.owner import lock
from mmdino.launch.queue import job_alive, this_job

AGAIN = 75  # EX_TEMPFAIL: stopped with a checkpoint; the same command goes on from there
ENDINGS = (0, 2)  # done, and what a person must mend (UserError)
STALLS = 3  # how often a job may be stopped before it wrote any checkpoint
WARNED = signal.SIGUSR2  # SLURM's word that the walltime ends or that a preemption comes (submitit asks for it)
# glibc otherwise gives every large tensor back to the system and asks for it again: up to half of a CPU training's time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "2000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


class Command:
    """A command as a job.

    Whoever waits for it tells three endings apart: the command ended by itself (:func:`outcome_file` holds its exit
    code); it was stopped in time and goes on later (exit code 75, upon which the batch script puts the job back into the
    queue); or the job was killed (no file).

    Args:
        command: a program and its arguments; the program ``mmdino`` is this package in the node's Python. A command that
            is told to stop (SIGTERM) and can go on later exits with code 75.
        folder: of the job's files. A folder belongs to one run, and only one job at a time works in it.
        cpus: threads, where the scheduler says nothing else.
        gpus: to be found among this machine's, where no scheduler gives them.
    """

    def __init__(self, command: Sequence[str], folder: Path, cpus: int, gpus: int = 0):
        self.command = list(command)
        self.folder = folder
        self.cpus = cpus
        self.gpus = gpus
        self.among = os.environ.get("CUDA_VISIBLE_DEVICES")
        self._told: set[int] = set()
        self._child: subprocess.Popen | None = None

    def __call__(self) -> int:
        """Run the command, and leave the process by the command's exit code, so that the scheduler knows it too."""
        for number in (WARNED, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        if _node() > 0:
            return self._assist()
        try:
            with lock(self.folder / "running.lock", f"the run of {self.folder}", job_alive):
                code = self._run()
                while (
                    code == AGAIN and not self._told and _nodes() == 1
                ):  # somebody, or itself, stopped the command alone
                    code = self._run()
                stopped = (code == AGAIN or (self._told and code < 0)) and not self._stalled(code)
        except UserError as error:
            code, stopped = 2, False
            print(f"Error: {error}", file=sys.stderr)
        if stopped:
            self._come_back()
        if code < 0:
            print(f"Error: the command was killed by {signal.Signals(-code).name}", file=sys.stderr)
            _exit(128 - code)
        if code in ENDINGS or _nodes() == 1:  # of several nodes one may have failed because another one was killed
            write_json(outcome_file(self.folder, _job_id()), {"exit_code": code})
        if code:
            _exit(code)
        return code

    def _assist(self) -> int:
        """Run this node's part of a command that works on several; the first one's tells how it ended."""
        code = self._run(until=outcome_file(self.folder, _job_id()))
        if code:
            _exit(code if code > 0 else 128 - code)
        return code

    def _run(self, until: Path | None = None) -> int:
        """Run the command, and end it where a file appears that says that the first node's failed."""
        threads = os.environ.get("SLURM_CPUS_PER_TASK", str(self.cpus))
        environment = {**os.environ, **KEEP_MEMORY, **dict.fromkeys(THREADS, threads)}
        with leased(0 if _on_slurm() else self.gpus, self.among, lambda: bool(self._told)) as devices:
            if not _on_slurm():
                environment["CUDA_VISIBLE_DEVICES"] = devices
            self._child = subprocess.Popen(program(self.command), env=environment, preexec_fn=_as_a_child)
            if self._told:  # while it was being started
                self._child.terminate()
            while until is not None and self._child.poll() is None:
                if until.exists() and read_json(until)["exit_code"]:
                    self._child.terminate()
                time.sleep(1)
            return self._child.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        first = not self._told
        self._told.add(number)
        if first and self._child is not None:
            self._child.terminate()

    def _stalled(self, code: int) -> bool:
        """Whether the job was stopped too often before it came to any checkpoint, so that going on is no use."""
        stalls = self.folder / "stalls.json"
        if code == AGAIN:
            stalls.unlink(missing_ok=True)
            return False
        count = 1 + (read_json(stalls) if stalls.exists() else 0)
        if count < STALLS:
            write_json(stalls, count)
            return False
        stalls.unlink(missing_ok=True)
        print(f"Error: stopped {STALLS} times before it came to a checkpoint; ask for more minutes", file=sys.stderr)
        return True

    def _come_back(self) -> None:
        if self._told and WARNED not in self._told and _on_slurm():
            # scancel, scontrol requeue, a preemption without a warning: SLURM alone knows whether the job comes back, and
            # kills it within seconds. Another requeue from here would bring a cancelled job back to life.
            time.sleep(600)
        _exit(AGAIN)


def program(command: Sequence[str]) -> list[str]:
    """Return a command as this Python starts it."""
    return [sys.executable, "-m", *command] if command[0] == "mmdino" else list(command)


def outcome_file(folder: Path, job_id: str) -> Path:
    """Return where a job that ended by itself leaves its exit code."""
    return folder / f"{job_id}_outcome.json"


def _on_slurm() -> bool:
    return os.environ.get("SUBMITIT_EXECUTOR") == "slurm"


def _job_id() -> str:
    return this_job() or "" if _on_slurm() else os.environ["SUBMITIT_LOCAL_JOB_ID"]


def _node() -> int:
    """Return which of the nodes that work on the command this is (``executor`` names them as ``torchrun`` does)."""
    return int(os.environ.get("GROUP_RANK", "0"))


def _nodes() -> int:
    return int(os.environ.get("GROUP_WORLD_SIZE", "1"))


def _as_a_child() -> None:
    """Hear of the walltime through the parent alone, and never outlive it (then two could write one run)."""
    signal.signal(WARNED, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _exit(code: int) -> None:
    """End without submitit's own word on the job: it has none for 'goes on later'."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
