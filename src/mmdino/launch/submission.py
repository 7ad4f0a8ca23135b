"""``<jobs>/job.json``: what is stored of a job, beside the run that it works for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.launch import queue
from mmdino.launch.command import outcome_file
from mmdino.launch.owner import Owner, process_alive


@dataclass(frozen=True)
class Submission:
    """A job of ours, written before it is waited for.

    Attributes:
        cluster: slurm or local.
        command: a program and its arguments.
        comment: a word of our own, written before the submission, by which the job is found where its id could not be
            written any more; empty until it is submitted.
        index: its number in the job array of that comment; None: a job of its own.
        job_id: SLURM's id, or the number of the process on this machine; None while it is being submitted.
        owner: the process that looks after a local job.
        submitted: seconds since the epoch.
        outcome: how it ended, once that is known.
        key: of what it depends on beside its command (:func:`mmdino.launch.resources.depends_on`); empty: not known, as of
            an older version's job.
    """

    cluster: str
    command: list[str]
    comment: str = ""
    index: int | None = None
    job_id: str | None = None
    owner: dict | None = None
    submitted: float = 0.0
    outcome: str | None = None
    key: str = ""

    @property
    def waits(self) -> bool:
        """Whether the scheduler has neither taken nor refused it yet."""
        return self.job_id is None and self.outcome is None

    def is_for(self, key: str) -> bool:
        """Whether it depends on what a job of this key does."""
        return not self.key or self.key == key

    def found_in(self, jobs: Mapping[str, queue.Job]) -> str | None:
        """Return the id under which the queue holds this job, waiting or running."""
        index = "" if self.index is None else str(self.index)
        mine = [number for number, job in jobs.items() if job.comment == self.comment and job.alive]
        return next((number for number in mine if number.partition("_")[2] == index), None) if self.comment else None


def stored(folder: Path) -> Submission | None:
    """Return what is stored of the folder's last job."""
    path = folder / "job.json"
    try:
        return Submission(**read_json(path))
    except UserError:
        if path.exists():
            raise
        return None


def store(folder: Path, job: Submission, **changes: Any) -> Submission:
    """Write ``<folder>/job.json`` with the changes, and return what was written."""
    changed = replace(job, **changes)
    write_json(folder / "job.json", asdict(changed))
    return changed


def exit_code(folder: Path, job_id: str) -> int | None:
    """Return how a job's command ended, once it did so by itself."""
    path = outcome_file(folder, job_id)
    return read_json(path)["exit_code"] if path.exists() else None


def is_alive_here(job: Submission) -> bool:
    """Whether the process that looks after a local job runs on this host."""
    if job.owner is None:
        return False
    owner = Owner(**job.owner)
    return owner.host == Owner.me().host and process_alive(owner.pid, owner.started)
