"""Runs that start together go into SLURM's queue together, as one job array, and wait together where it takes none.

Each ``mmdino submit`` leaves a ticket in the room of its like (same study, same resources). One of them leads: it submits for
all who are there, and writes each one's ``job.json`` before and after, so that a submitter that dies on the way leaves no job
that nobody finds. A refusal that passes is waited out by all together, with one ``sbatch`` for all of them.
"""

import fcntl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from mmdino.errors import UserError
from mmdino.files import content_key, read_json, write_json
from mmdino.launch import queue, words
from mmdino.launch.executor import Refused, Task, submit
from mmdino.launch.owner import Owner, process_alive
from mmdino.launch.resources import Resources
from mmdino.launch.stop import Stop, say
from mmdino.launch.submission import Submission, store, stored

QUIET_SECONDS = 1.0  # an array goes in when nobody has come for so long,
LONGEST_SECONDS = 3.0  # or somebody has waited for so long
LARGEST = 500  # jobs in an array; SLURM's own limit (MaxArraySize) is 1,000 by default
FIRST_WAIT, LAST_WAIT = 2.0, 60.0  # seconds between two tries of what was refused
LOOK_SECONDS = 0.5  # between two looks of those who follow, while there is hope
REFUSED = "refused: "  # how the outcome of a job begins that SLURM never took


@dataclass(frozen=True)
class Mood:
    """What SLURM said last to those in the room: how many jobs it may take at once, and when it is asked again."""

    largest: int = LARGEST
    wait: float = 0.0
    not_before: float = 0.0
    said: str = ""

    def worse(self, said: str) -> "Mood":
        """Return the mood after a refusal that passes."""
        wait = min(2 * self.wait, LAST_WAIT) if self.wait else FIRST_WAIT
        return Mood(self.largest, wait, time.time() + wait, said)


class Room:
    """Where those wait who ask for the same.

    Args:
        resources: of each of their jobs.
        together: the folder of the study's job arrays; None: each job is one of its own.
    """

    def __init__(self, resources: Resources, together: Path | None):
        self.resources = resources
        self.together = together
        self.folder = queue.folder_of_this_user() / f"room-{content_key([asdict(resources), str(together)])}"
        self.folder.mkdir(exist_ok=True)

    def submit(self, task: Task, stop: Stop) -> Submission | None:
        """Return the task's job once SLURM has taken it; None where this process is told to stop before.

        Raises:
            UserError: SLURM refused it for good.
        """
        said = ""
        with self._ticket(task):
            while (job := _of(task)).waits:
                with self._held("leader", wait=False) as leads:
                    if leads:
                        self._lead(task, stop)
                if stop.received is not None and self._withdrawn(task):
                    return None
                if not leads:
                    mood = self._mood()
                    said = _tell(task, mood, said)
                    stop.pause(FIRST_WAIT if mood.said else LOOK_SECONDS)
        if job.outcome is not None:
            (task.folder / "job.json").unlink()
            refusal = job.outcome.removeprefix(REFUSED)
            raise UserError(f"{task.name}: SLURM refused the job: {refusal}; {words.advice(refusal)}")
        return job

    def _lead(self, task: Task, stop: Stop) -> None:
        """Submit for all who are here, until SLURM has taken or refused the task, or this process is told to stop."""
        said = ""
        while (job := _of(task)).waits and (job.comment or stop.received is None):
            mood = self._mood()
            if job.comment or (time.time() >= mood.not_before and self._is_quiet()):
                with self._held("sending"):
                    self._settle()
                    if stop.received is None:
                        self._submit(mood, stop)
            said = _tell(task, self._mood(), said)
            if _of(task).waits:
                stop.pause(LOOK_SECONDS)

    def _submit(self, mood: Mood, stop: Stop) -> None:
        """Submit as many of those here as SLURM may take at once."""
        waiting = [task for task in self._waiting() if not _of(task).comment]
        batch = waiting[: mood.largest if self.together else 1]
        if not batch:
            return
        alone, comment = len(batch) == 1, f"mmdino-{uuid.uuid4().hex[:12]}"
        sent = [
            store(task.folder, _of(task), comment=comment, index=None if alone else index)
            for index, task in enumerate(batch)
        ]
        try:
            ids = submit(batch, self.together or batch[0].folder, self.resources, comment)
        except Refused as refused:
            said = words.last_words(str(refused))
            if stop.received is None and not words.no_answer(said):
                for task, job in zip(batch, sent, strict=True):
                    store(task.folder, job, comment="", index=None)
                if not alone:
                    self._keep(replace(mood, largest=len(batch) // 2))
                    return
                if not words.passes(said):
                    for task in waiting:
                        store(task.folder, _of(task), outcome=REFUSED + said)
                    return
            self._keep(mood.worse(said))  # without an answer it may have been taken all the same: _settle finds out
            return
        for task, job, job_id in zip(batch, sent, ids, strict=True):
            store(task.folder, job, job_id=job_id, submitted=time.time())
        self._keep(Mood())

    def _settle(self) -> None:
        """Find out what became of those whose submission got no answer, or whose submitter died over it."""
        unknown = [task for task in self._waiting() if _of(task).comment]
        found = queue.jobs(0).jobs if unknown else None
        if found is None:
            return
        for task in unknown:
            job = _of(task)
            number = job.found_in(found)
            if number is None:
                store(task.folder, job, comment="", index=None)
            else:
                store(task.folder, job, job_id=number, submitted=time.time())

    def _withdrawn(self, task: Task) -> bool:
        """Whether the task has left the room before it was submitted; one without SLURM's answer cannot leave."""
        with self._held("sending"):
            job = _of(task)
            if not job.waits or job.comment:
                return False
            self._ticket_of(task).unlink()
            return True

    def _here(self) -> list[tuple[float, Task]]:
        """Return how long each of those here has waited, the longest first; the tickets of the dead are removed."""
        here = []
        for path in self.folder.glob("ticket-*"):
            try:
                ticket, since = read_json(path), path.stat().st_mtime
            except (UserError, FileNotFoundError):  # has just left
                continue
            owner = Owner(**ticket["owner"])
            if process_alive(owner.pid, owner.started):
                here.append((time.time() - since, Task(ticket["command"], Path(ticket["folder"]), ticket["name"])))
            else:
                path.unlink(missing_ok=True)
        return sorted(here, key=lambda waited: -waited[0])

    def _waiting(self) -> list[Task]:
        """Return those here whose job SLURM has neither taken nor refused, the longest waiting first."""
        found = [(task, stored(task.folder)) for _, task in self._here()]
        return [task for task, job in found if job is not None and job.waits]

    def _is_quiet(self) -> bool:
        """Whether nobody else is about to come."""
        waited = [seconds for seconds, _ in self._here()]
        return self.together is None or waited[-1] >= QUIET_SECONDS or waited[0] >= LONGEST_SECONDS

    @contextmanager
    def _ticket(self, task: Task) -> Iterator[None]:
        content = {"command": task.command, "folder": str(task.folder), "name": task.name, "owner": asdict(Owner.me())}
        write_json(self._ticket_of(task), content)
        try:
            yield
        finally:
            self._ticket_of(task).unlink(missing_ok=True)

    def _ticket_of(self, task: Task) -> Path:
        return self.folder / f"ticket-{content_key(str(task.folder))}"

    @contextmanager
    def _held(self, name: str, wait: bool = True) -> Iterator[bool]:
        """Hold a lock of the room while the block runs; yields whether it could be had. It ends with its process."""
        with open(self.folder / f"{name}.lock", "w") as opened:
            try:
                fcntl.flock(opened, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
                had = True
            except BlockingIOError:
                had = False
            yield had

    def _mood(self) -> Mood:
        path = self.folder / "mood.json"
        return Mood(**read_json(path)) if path.exists() else Mood()

    def _keep(self, mood: Mood) -> None:
        write_json(self.folder / "mood.json", asdict(mood))


def _of(task: Task) -> Submission:
    found = stored(task.folder)
    assert found is not None
    return found


def _tell(task: Task, mood: Mood, before: str) -> str:
    """Say, once, why the task waits."""
    if time.time() >= mood.not_before:
        return before
    return say(f"{task.name}: SLURM takes no job now ({mood.said}); trying again in {mood.wait:.0f} s", before)
