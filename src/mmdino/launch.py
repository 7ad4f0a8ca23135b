"""Submit a command of ours as a job, on SLURM or on this machine, wait for it, and show why it failed.

The one importer of submitit. It knows nothing of methods: a job is an ``mmdino`` command and its resources.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import submitit

from mmdino.errors import UserError
from mmdino.files import read_json, write_json

TAIL = 25
# glibc otherwise gives every large tensor back to the system and asks for it again: up to half of a CPU training's time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "2000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000"}


@dataclass(frozen=True)
class Resources:
    """What a job asks for; ``cluster`` is slurm, local (a process of its own), or debug (this process)."""

    cluster: str = "local"
    cpus: int = 1
    gpus: int = 0
    memory_gb: int = 6
    minutes: int = 720
    slurm: dict[str, Any] = field(default_factory=dict)


class Command:
    """An ``mmdino`` command as a job; after a walltime or a preemption it is put back into the queue and resumes itself."""

    def __init__(self, arguments: Sequence[str]):
        self.arguments = list(arguments)

    def __call__(self) -> int:
        """Run the command in a process of its own; raises if it fails, so that the job counts as failed."""
        child = subprocess.Popen([sys.executable, "-m", "mmdino", *self.arguments])
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        code = child.wait()
        if code:
            raise SystemExit(f"mmdino {' '.join(self.arguments)} ended with exit code {code}")
        return code

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """Called by submitit before the end of the walltime: ask for the same command again; it finds its checkpoint."""
        return submitit.helpers.DelayedSubmission(self)


def run_job(arguments: Sequence[str], folder: Path, name: str, resources: Resources) -> None:
    """Submit the command, wait until it ends, and return if it went well.

    The job's id is stored in ``folder/job.json`` before the wait. Started again while that SLURM job is alive, this
    attaches to it instead of submitting another. SIGINT and SIGTERM cancel the job.

    Raises:
        UserError: the job failed; the message has the tail of its log.
    """
    folder.mkdir(parents=True, exist_ok=True)
    job = _alive(folder, resources.cluster) or _submit(arguments, folder, name, resources)
    write_json(folder / "job.json", {"cluster": resources.cluster, "job_id": job.job_id, "arguments": list(arguments)})
    previous = {number: signal.signal(number, _cancel(job)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        error = job.exception()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    (folder / "job.json").unlink(missing_ok=True)
    if error is not None:
        raise UserError(_explain(arguments, job))


def _submit(arguments: Sequence[str], folder: Path, name: str, resources: Resources) -> submitit.Job:
    os.environ.update(KEEP_MEMORY)
    os.environ.update(
        dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(resources.cpus))
    )
    executor = submitit.AutoExecutor(folder=folder, cluster=resources.cluster)
    executor.update_parameters(
        name=name,
        timeout_min=resources.minutes,
        cpus_per_task=resources.cpus,
        gpus_per_node=resources.gpus,
        mem_gb=resources.memory_gb,
        **{f"slurm_{key}": value for key, value in resources.slurm.items()},
    )
    return executor.submit(Command(arguments))


def _alive(folder: Path, cluster: str) -> submitit.Job | None:
    """Return the SLURM job that an earlier start left behind, if it still waits or runs."""
    if cluster != "slurm" or not (folder / "job.json").exists():
        return None
    stored = read_json(folder / "job.json")
    job: submitit.Job = submitit.SlurmJob(folder=folder, job_id=stored["job_id"])
    return (
        job if job.get_info(mode="force").get("State", "").split(" ")[0] in ("PENDING", "RUNNING", "REQUEUED") else None
    )


def _cancel(job: submitit.Job) -> Any:
    def cancel(number: int, frame: object) -> None:
        job.cancel()
        raise KeyboardInterrupt

    return cancel


def _explain(arguments: Sequence[str], job: submitit.Job) -> str:
    log = "\n".join(filter(None, (job.stdout(), job.stderr())))
    lines = [line for line in log.splitlines() if not line.startswith("submitit ")][-TAIL:]
    said = [line for line in lines if line.startswith("Error: ")]
    shown = "\n".join(said or lines)
    return f"mmdino {' '.join(arguments)}: the job {job.job_id} failed (its log: {job.paths.stderr}):\n{shown}"
