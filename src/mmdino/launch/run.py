"""The life of a job as its submitter sees it: submit or find again, wait, cancel, explain."""

import contextlib
import os
import select
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

import psutil

from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.launch import queue, words
from mmdino.launch.command import outcome_file, program
from mmdino.launch.executor import Refused, log_files, submit
from mmdino.launch.owner import Held, Owner, lock, process_alive
from mmdino.launch.resources import Resources

LOOK_SECONDS = 10.0  # between two looks at the queue, for all waiting processes together
POLL_SECONDS = 2.0  # between two looks for the outcome file; a hundred waiting processes cost a hundredth of a core
LAG_SECONDS = 5.0  # a file written on the node may take that long to be seen here
KILLED_RETRIES = 2
TAIL = 25


class Cancelled(UserError):
    """The submitter was told to stop, and cancelled its job."""

    exit_code = 130


@dataclass(frozen=True)
class Submission:
    """``<jobs>/job.json``: a job of ours, written before it is waited for.

    Attributes:
        cluster: slurm or local.
        comment: a word of our own by which the job is found where its id could not be written any more.
        command: a program and its arguments.
        job_id: SLURM's id, or the number of the process on this machine; None while it is being submitted.
        owner: the process that looks after a local job.
        submitted: seconds since the epoch.
        outcome: how it ended, once that is known.
    """

    cluster: str
    comment: str
    command: list[str]
    job_id: str | None = None
    owner: dict | None = None
    submitted: float = 0.0
    outcome: str | None = None


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
        select.select(self._wakers, [], [], seconds)


def run_job(command: Sequence[str], folder: Path, name: str, resources: Resources) -> None:
    """Submit the command, wait until it ends, and return if it went well.

    A job of this folder that is still alive, whoever submitted it, is waited for instead. SIGINT and SIGTERM cancel it.
    A job that was killed, and not cancelled by somebody, is submitted again, with more memory where it had too little.

    Raises:
        UserError: SLURM refused the job, or it failed or was cancelled; the message has SLURM's words or the tail of its log.
        Cancelled: this process was told to stop.
    """
    folder = folder.absolute()
    if resources.cluster == "slurm" and not shutil.which("sbatch"):
        raise UserError(
            f"{name}: there is no `sbatch` on PATH; run on a login node of a SLURM cluster, or use profiles/local"
        )
    if "%" in str(folder):
        raise UserError(f"{folder}: SLURM reads '%' in a log's path as a pattern; choose a path without it")
    if resources.cluster == "debug":
        return _run_here(command)
    with Stop() as stop:
        for left in reversed(range(KILLED_RETRIES + 1)):
            job = _find_or_submit(command, folder, name, resources, stop)
            code, ending = _wait(job, folder, stop)
            write_json(
                folder / "job.json",
                asdict(replace(job, outcome=f"exit code {code}" if ending is None else ending.state)),
            )
            if code == 0:
                return None
            if code is not None or ending is None or ending.state.startswith("CANCELLED") or not left:
                raise UserError(_explain(command, job, folder, ending))
            resources = _after_a_kill(job, resources, ending)
    return None


def _run_here(command: Sequence[str]) -> None:
    code = subprocess.run(program(command), check=False).returncode
    if code:
        raise UserError(f"{' '.join(command)} ended with exit code {code}; what it said stands above")


def _find_or_submit(command: Sequence[str], folder: Path, name: str, resources: Resources, stop: Stop) -> Submission:
    """Return the job of this folder that is alive, or submit one; only one process at a time may do so."""
    while stop.received is None:
        try:
            with lock(folder / "submit.lock", f"submitting {name}", queue.job_alive):
                found = _find(command, folder, stop)
                if found is not None:
                    _say(f"job {found.job_id} was found; waiting for it")
                    return found
                return _submit(command, folder, name, resources, stop)
        except Held as held:
            _say(str(held))
            stop.pause(2)
    raise Cancelled(f"{name}: stopped before it was submitted")


def _find(command: Sequence[str], folder: Path, stop: Stop) -> Submission | None:
    """Return the job that an earlier start left behind, if it still waits or runs, or ended well while nobody watched.

    Waits for SLURM to say so.
    """
    if not (folder / "job.json").exists():
        return None
    job = Submission(**read_json(folder / "job.json"))
    if job.outcome is not None:
        return None
    if job.job_id and job.command == list(command) and _exit_code(folder, job.job_id) == 0:
        return job
    if job.cluster == "local":
        return job if is_alive_here(job) else None
    found = _in_queue(job.comment, stop)
    return replace(job, job_id=found) if found else None


def is_alive_here(job: Submission) -> bool:
    """Whether the process that looks after a local job runs on this host."""
    if job.owner is None:
        return False
    owner = Owner(**job.owner)
    return owner.host == Owner.me().host and process_alive(owner.pid, owner.started)


def _in_queue(comment: str, stop: Stop) -> str | None:
    """Return the id of my job with this comment, if it is alive."""
    while stop.received is None:
        answer = queue.jobs(2)
        if answer.jobs is not None:
            return next((number for number, job in answer.jobs.items() if job.comment == comment and job.alive), None)
        _say(f"squeue does not answer ({answer.error}); asking again, since a job may be there already")
        stop.pause(LOOK_SECONDS)
    return None


def _submit(command: Sequence[str], folder: Path, name: str, resources: Resources, stop: Stop) -> Submission:
    """Submit, as often as it takes where the refusal passes."""
    job = Submission(resources.cluster, f"mmdino-{uuid.uuid4().hex[:12]}", list(command))
    write_json(folder / "job.json", asdict(job))
    delay = 2.0
    while True:
        try:
            job_id = submit(command, folder, name, resources, job.comment)
            break
        except Refused as refused:
            said = words.last_words(str(refused))
            if stop.received is None and not words.passes(said):
                (folder / "job.json").unlink()
                raise UserError(f"{name}: SLURM refused the job: {said}; {words.advice(said)}") from None
        # It may have been taken all the same: the answer was lost, or the signal that we got killed sbatch too.
        found = _in_queue(job.comment, stop if stop.received is None else Stop())
        if found is not None:
            job_id = found
            break
        if stop.received is not None:
            raise Cancelled(f"{name}: stopped before it was submitted")
        _say(f"{name}: SLURM takes no job now ({said}); trying again in {delay:.0f} s")
        stop.pause(delay)
        delay = min(2 * delay, 60)
    owner = asdict(Owner.of(int(job_id))) if job.cluster == "local" else None
    job = replace(job, job_id=job_id, owner=owner, submitted=time.time())
    write_json(folder / "job.json", asdict(job))
    _say(f"job {job_id} was submitted; its log: {log_files(folder, job_id)[1]}")
    return job


def _wait(job: Submission, folder: Path, stop: Stop) -> tuple[int | None, queue.Job | None]:
    """Wait until the job ends; return its exit code, or how it ended without one."""
    assert job.job_id is not None
    missing_since: float | None = None
    looked, said = time.monotonic() - LOOK_SECONDS + 2, ""
    while True:
        code = _exit_code(folder, job.job_id)
        if code is not None:
            return code, None
        if stop.received is not None:
            _cancel(job)
            raise Cancelled(
                f"job {job.job_id} was cancelled, since this process was told to stop; the same command goes on"
            )
        if time.monotonic() - looked >= (LOOK_SECONDS if missing_since is None else LAG_SECONDS):
            looked = time.monotonic()
            seen = _look(job, 0.0 if missing_since else LOOK_SECONDS - 1)
            if seen is None or seen.alive:
                missing_since = None
                said = _say_once(_waits_for(job, seen), said)
            elif missing_since is None:
                missing_since = looked
            else:
                return None, seen
        stop.pause(POLL_SECONDS)


def _exit_code(folder: Path, job_id: str) -> int | None:
    """Return how the job's command ended, once it did so by itself."""
    path = outcome_file(folder, job_id)
    return read_json(path)["exit_code"] if path.exists() else None


def _look(job: Submission, max_age: float) -> queue.Job | None:
    """Return the job's state; None where nobody says."""
    assert job.job_id is not None
    if job.cluster == "local":
        return queue.Job("RUNNING" if is_alive_here(job) else "GONE")
    answer = queue.jobs(max_age)
    if answer.jobs is None:
        return None
    if answer.asked < job.submitted + 1:
        return queue.Job("PENDING", "None")
    return answer.jobs.get(job.job_id) or queue.ended(job.job_id) or queue.Job("GONE")


def _waits_for(job: Submission, seen: queue.Job | None) -> str:
    """Return what to tell about a job that is not done.

    Raises:
        UserError: it waits for what never comes.
    """
    assert job.job_id is not None
    if seen is None:
        return "SLURM does not answer; the job goes on without us, and we ask again"
    if seen.state != "PENDING":
        return f"job {job.job_id}: {seen.state.lower()}{' on ' + seen.node if seen.node else ''}"
    if seen.reason in words.HOPELESS:
        _cancel(job)
        raise UserError(
            f"job {job.job_id} would wait for ever ({seen.reason}): {words.HOPELESS[seen.reason]}; it was cancelled"
        )
    return f"job {job.job_id} waits: {words.why_waiting(job.job_id, seen.reason)}"


def _cancel(job: Submission) -> None:
    assert job.job_id is not None
    if job.cluster == "local":
        _terminate(Owner(**(job.owner or {})))
        return
    for _ in range(6):
        try:
            queue.cancel(job.job_id)
            return
        except (OSError, subprocess.SubprocessError) as error:
            _say(
                f"scancel {job.job_id} failed ({words.last_words(getattr(error, 'stderr', None) or str(error))}); again in 10 s"
            )
            time.sleep(10)
    _say(f"job {job.job_id} could not be cancelled; do it when SLURM answers again: scancel {job.job_id}")


def _terminate(owner: Owner) -> None:
    """End a job of this machine, and give its command the time to write a checkpoint."""
    with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
        process = psutil.Process(owner.pid)
        if process.create_time() == owner.started:
            process.terminate()
            process.wait(60)


def _after_a_kill(job: Submission, resources: Resources, ending: queue.Job) -> Resources:
    """Say that the job is submitted again, and return what it asks for then."""
    if ending.state != "OUT_OF_MEMORY":
        _say(f"job {job.job_id} was killed ({ending.state}); submitting it again, it goes on from its last checkpoint")
        return resources
    more = resources.memory_gb + -(-resources.memory_gb // 2)
    _say(f"job {job.job_id} ran out of {resources.memory_gb} GB of memory; submitting it again with {more} GB")
    return replace(resources, memory_gb=more)


def _explain(command: Sequence[str], job: Submission, folder: Path, ending: queue.Job | None) -> str:
    assert job.job_id is not None
    shown = " ".join(command)
    if ending is not None and ending.state.startswith("CANCELLED"):
        return (
            f"{shown}: the job {job.job_id} was cancelled (scancel); start the same again (`snakemake …`) to go on from "
            "its last checkpoint"
        )
    out, err = log_files(folder, job.job_id)
    lines = [line for path in (out, err) for line in _lines(path) if not line.startswith("submitit ")][-TAIL:]
    said = [line for line in lines if line.startswith("Error: ")][-1:]
    how = "failed" if ending is None else f"was killed ({ending.state})"
    return "\n".join([f"{shown}: the job {job.job_id} {how}; its log: {err}", *(said or lines)])


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _say_once(text: str, before: str) -> str:
    if text != before:
        _say(text)
    return text
