"""The life of a job as its submitter sees it: submit or find again, wait, cancel, explain."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import psutil

from mmdino.errors import UserError
from mmdino.launch import queue, words
from mmdino.launch.command import AGAIN, outcome_file, program
from mmdino.launch.executor import Task, log_files, submit
from mmdino.launch.owner import Held, Owner, lock
from mmdino.launch.resources import Resources
from mmdino.launch.room import Room
from mmdino.launch.stop import Stop, say
from mmdino.launch.submission import Submission, exit_code, is_alive_here, store, stored

LOOK_SECONDS = 10.0  # between two looks at the queue, for all waiting processes together
# Seconds between two looks for the outcome file: a tenth of what it has waited already, as each look wakes a process that lay
# still, a hundred of them together cost what they cost by that, and a short job is missed sooner.
FIRST_POLL, LAST_POLL = 1.0, 4.0
LAG_SECONDS = 5.0  # what SLURM says of a job may change that long after its end
FILE_SECONDS = 60.0  # a file written on the node may take that long to be seen here
OF_ITSELF = (
    1,
    2,
    126,
    127,
)  # exit codes of a command that failed by itself: a traceback, a UserError, what cannot be run
KILLED_RETRIES = 2
TAIL = 25


class Cancelled(UserError):
    """The submitter was told to stop, and cancelled its job."""

    exit_code = 130


def run_job(
    command: Sequence[str], folder: Path, name: str, resources: Resources, together: Path | None = None, key: str = ""
) -> None:
    """Submit the command, wait until it ends, and return if it went well.

    A job of this folder that is still alive, whoever submitted it, is waited for instead, unless what it depends on was
    changed since: it is cancelled then. SIGINT and SIGTERM cancel the job.
    A job that was killed, and neither failed by itself nor was cancelled by somebody, is submitted again, with more memory
    where it had too little.

    Args:
        command: a program and its arguments (see :class:`Command`).
        folder: of the job's files.
        name: the job's.
        resources: what it asks for.
        together: a folder for the job arrays of those who name it too; None: a job of its own.
        key: of what the command depends on and does not say (:func:`mmdino.launch.resources.depends_on`).

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
    task = Task(list(command), folder, name, key)
    with Stop() as stop:
        for left in reversed(range(KILLED_RETRIES + 1)):
            job = _find_or_submit(task, resources, together.absolute() if together else None, stop)
            code, ending = _wait(job, folder, stop)
            store(folder, job, outcome=f"exit code {code}" if ending is None else ending.state)
            if code == 0:
                return None
            if code is not None or ending is None or not left or not _was_killed(ending, resources):
                raise UserError(_explain(command, job, folder, ending))
            resources = _after_a_kill(job, resources, ending)
    return None


def _run_here(command: Sequence[str]) -> None:
    code = AGAIN
    while code == AGAIN:
        code = subprocess.run(program(command), check=False).returncode
    if code:
        raise UserError(f"{' '.join(command)} ended with exit code {code}; what it said stands above")


def _find_or_submit(task: Task, resources: Resources, together: Path | None, stop: Stop) -> Submission:
    """Return the job of this folder that is alive, or submit one; only one process at a time may do so."""
    while stop.received is None:
        try:
            with lock(task.folder / "submit.lock", f"submitting {task.name}", queue.job_alive):
                found = _find(task, resources, stop)
                if found is not None:
                    say(f"job {found.job_id} was found; waiting for it")
                    return found
                return _submit(task, resources, together, stop)
        except Held as held:
            say(str(held))
            stop.pause(2)
    raise Cancelled(f"{task.name}: stopped before it was submitted")


def _find(task: Task, resources: Resources, stop: Stop) -> Submission | None:
    """Return the job that an earlier start left behind, if it still waits or runs, or ended well while nobody watched.

    One from before a change of what it depends on is cancelled, and waited for until it lets go of the run's lock.

    Raises:
        UserError: it is SLURM's, and nobody here can ask SLURM.
    """
    job = stored(task.folder)
    if job is None or job.outcome is not None:
        return None
    code, same = exit_code(task.folder, job.job_id or ""), job.is_for(task.key)
    if code is not None:
        return job if code == 0 and same and job.command == task.command else None
    said = ""
    while (alive := _alive(job, resources, task.folder, stop)) is not None:
        if same:
            return alive
        said = say(f"job {alive.job_id} was found, of settings or data before a change; cancelling it", said)
        _cancel(alive)
        stop.pause(LAG_SECONDS)
    return None


def _alive(job: Submission, resources: Resources, folder: Path, stop: Stop) -> Submission | None:
    """Return a job, with its id, if it waits or runs; asks SLURM until it says so."""
    if job.cluster == "local":
        return job if is_alive_here(job) else None
    while stop.received is None and job.comment:  # without one, SLURM has not been asked to take it
        answer = queue.jobs(0)  # an older one may not hold what another submitter has just sent
        if answer.jobs is not None:
            number = job.found_in(answer.jobs)
            return replace(job, job_id=number) if number else None
        if resources.cluster != "slurm" and (not shutil.which("squeue") or words.no_configuration(answer.error)):
            raise UserError(_unanswerable(job, folder))
        say(f"squeue does not answer ({answer.error}); asking again, since a job may be there already")
        stop.pause(LOOK_SECONDS)
    return None


def _unanswerable(job: Submission, folder: Path) -> str:
    path = folder / "job.json"
    named = f"job {job.job_id}" if job.job_id else "a job"
    return (
        f"{path}: {named} was given to SLURM, and no SLURM answers on this machine whether it still waits or runs; go on "
        "where `squeue` answers, or, once it is gone there (by `scancel`), delete that file and start again"
    )


def _submit(task: Task, resources: Resources, together: Path | None, stop: Stop) -> Submission:
    """Submit, as often as it takes where the refusal passes."""
    if stop.received is not None:
        raise Cancelled(f"{task.name}: stopped before it was submitted")
    waiting = store(task.folder, Submission(resources.cluster, task.command, key=task.key))
    if resources.cluster == "slurm":
        job = Room(resources, together).submit(task, stop)
        if job is None:
            raise Cancelled(f"{task.name}: stopped before it was submitted")
    else:
        [job_id] = submit([task], task.folder, resources, "")
        job = store(task.folder, waiting, job_id=job_id, owner=asdict(Owner.of(int(job_id))), submitted=time.time())
    say(f"job {job.job_id} was submitted; its log: {log_files(task.folder, job.job_id or '')[1]}")
    return job


def _wait(job: Submission, folder: Path, stop: Stop) -> tuple[int | None, queue.Job | None]:
    """Wait until the job ends; return its exit code, or how it ended without one."""
    assert job.job_id is not None
    last: queue.Job | None = None  # what SLURM said when the job was over
    begun, outcome = time.monotonic(), outcome_file(folder, job.job_id)
    looked, said = begun - LOOK_SECONDS + 2, ""
    while True:
        if outcome.exists():
            return exit_code(folder, job.job_id), None
        if stop.received is not None:
            _cancel(job)
            raise Cancelled(
                f"job {job.job_id} was cancelled, since this process was told to stop; the same command goes on"
            )
        if time.monotonic() - looked >= (LOOK_SECONDS if last is None else _patience(last)):
            looked = time.monotonic()
            seen = _look(job, 0.0 if last else LOOK_SECONDS - 1)
            if seen is None or seen.alive:
                last = None
                said = say(_waits_for(job, seen), said)
            elif last is None or last.state != seen.state:
                last = seen
            elif seen.state == "COMPLETED":
                say(f"job {job.job_id} ended well, as SLURM says; its outcome file was not seen here")
                return 0, None  # whether its outputs are there, Snakemake looks
            else:
                return None, seen
        stop.pause(min(max(FIRST_POLL, (time.monotonic() - begun) / 10), LAST_POLL))


def _patience(ended: queue.Job) -> float:
    """Return for how many seconds the outcome file of a job that is over is waited for; one that was killed has none."""
    return FILE_SECONDS if ended.state in ("COMPLETED", "FAILED") else LAG_SECONDS


def _look(job: Submission, max_age: float) -> queue.Job | None:
    """Return the job's state; None where nobody says."""
    assert job.job_id is not None
    if job.cluster == "local":
        return queue.Job("RUNNING" if is_alive_here(job) else "GONE")
    answer = queue.jobs(max_age)
    if answer.text is None:
        return None
    if answer.asked < job.submitted + 1:
        return queue.Job("PENDING", "None")
    seen = answer.job(job.job_id) or queue.ended(job.job_id) or queue.Job("GONE")
    return _with_its_exit_code(job.job_id, seen) if seen.state == "FAILED" else seen


def _with_its_exit_code(job_id: str, failed: queue.Job) -> queue.Job:
    """Return SLURM's FAILED as it is where the command failed by itself; where a signal ended it, its exit code as state."""
    code = queue.exit_code(job_id)
    return failed if code is None or code in OF_ITSELF else failed._replace(state=f"exit code {code}")


def _was_killed(ending: queue.Job, resources: Resources) -> bool:
    """Whether nobody meant the job to end; of several nodes one may have failed because another one was killed."""
    return not ending.state.startswith("CANCELLED") and (ending.state != "FAILED" or resources.nodes > 1)


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
            say(f"scancel {job.job_id} failed ({words.last_words(words.said_by(error))}); again in 10 s")
            time.sleep(10)
    say(f"job {job.job_id} could not be cancelled; do it when SLURM answers again: scancel {job.job_id}")


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
        say(f"job {job.job_id} was killed ({ending.state}); submitting it again, it goes on from its last checkpoint")
        return resources
    more = resources.memory_gb + -(-resources.memory_gb // 2)
    say(f"job {job.job_id} ran out of {resources.memory_gb} GB of memory; submitting it again with {more} GB")
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
    how = "failed" if ending is None or ending.state == "FAILED" else f"was killed ({ending.state})"
    if not lines:
        lines = [f"it wrote no log: do the nodes see {folder}, and is there no full or read-only disk?"]
    return "\n".join([f"{shown}: the job {job.job_id} {how}; its log: {err}", *(said or lines)])


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
