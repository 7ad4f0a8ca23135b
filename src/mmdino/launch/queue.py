"""What SLURM's queue holds of mine: one query for all waiting processes of this host together.

Hundreds of ``mmdino submit`` wait at the same time. Whichever finds the last answer too old asks ``squeue`` once for all
of the user's jobs and leaves the answer where the others read it.
"""

import contextlib
import fcntl
import getpass
import json
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeGuard

from mmdino.launch.words import last_line, said_by

FORMAT = "%i|%T|%r|%N|%k"
ALIVE = {
    "PENDING", "RUNNING", "SUSPENDED", "COMPLETING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED",
    "RESIZING", "SIGNALING", "SPECIAL_EXIT", "STAGE_OUT", "STOPPED", "RESV_DEL_HOLD",
}  # fmt: skip
ANSWER = "squeue.txt"  # below the user's folder: a line of JSON about the answer, then what squeue said
PATIENCE = 30  # seconds; a controller that is down answers late or never


class Job(NamedTuple):
    """A job in the queue: SLURM's state and reason, its node, and the comment by which we find it again."""

    state: str
    reason: str = ""
    node: str = ""
    comment: str = ""

    @property
    def alive(self) -> bool:
        """Whether it still waits or runs."""
        return self.state in ALIVE


@dataclass(frozen=True)
class Answer:
    """What ``squeue`` said at the time ``asked`` (seconds since the epoch); ``text`` is None where it said nothing.

    The text is kept as it came: each of a hundred processes that wait looks for a line of its own in it every ten seconds,
    and reading all lines each time would cost more than all else that they do.
    """

    asked: float
    text: str | None
    error: str = ""

    @property
    def jobs(self) -> dict[str, Job] | None:
        """All jobs by id; None where SLURM did not answer."""
        return None if self.text is None else parse(self.text)

    def job(self, job_id: str) -> Job | None:
        """Return one job; None where the queue does not hold it, or SLURM did not answer."""
        text = f"\n{self.text or ''}\n"
        begin = text.find(f"\n{job_id}|") + 1
        return parse(text[begin : text.index("\n", begin)])[job_id] if begin else None


def jobs(max_age: float) -> Answer:
    """Return what the queue holds of mine, those that ended a short while ago too.

    Args:
        max_age: seconds between SLURM's answer and this call. With 0, whatever was submitted before the call is in the
            answer, and all who wait for one together share the next.
    """
    folder, since = folder_of_this_user(), time.time() - max_age
    answer = _stored(folder)
    if _is_fresh(answer, since):
        return answer
    with open(folder / "queue.lock", "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        answer = _stored(folder)
        if not _is_fresh(answer, since):
            answer = _ask()
            _store(answer, folder)
    return answer


def _is_fresh(answer: Answer | None, since: float) -> TypeGuard[Answer]:
    return answer is not None and answer.asked >= since


def this_job() -> str | None:
    """Return the id of the SLURM job that this process belongs to, as ``squeue`` and ``scontrol`` name it."""
    array, index = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{index}" if array else os.environ.get("SLURM_JOB_ID")


def job_alive(job_id: str) -> bool | None:
    """Whether a job still waits or runs; None where SLURM does not answer."""
    answer = jobs(0)  # an older one may be from before that job
    found = answer.job(job_id)
    return None if answer.text is None else found is not None and found.alive


def ended(job_id: str) -> Job | None:
    """Return how a job ended, from accounting; None where it keeps none, does not answer or does not know the job."""
    try:
        said = sacct([job_id], "State,Reason,NodeList")
    except (OSError, subprocess.SubprocessError):
        return None
    fields = said.splitlines()[-1].split("|") if said.strip() else []
    return Job(fields[0].split()[0], fields[1], fields[2]) if len(fields) == 3 else None


def exit_code(job_id: str) -> int | None:
    """Return the exit code of a job that has ended; None where neither controller nor accounting says.

    After a signal the controller has 128 more than the signal's number, as a shell does, and accounting the number.
    """
    for ask, pattern in ((_shown, r"\bExitCode=(\d+):"), (_accounted, r"^(\d+):")):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            if found := re.search(pattern, ask(job_id)):
                return int(found[1])
    return None


def _shown(job_id: str) -> str:
    return _run("scontrol", "show", "job", "--oneliner", job_id)


def _accounted(job_id: str) -> str:
    return sacct([job_id], "ExitCode")


def sacct(job_ids: Sequence[str], fields: str, *options: str) -> str:
    """Return what accounting says of jobs: a line each, fields separated by ``|``."""
    named = f"--jobs={','.join(job_ids)}"
    return _run("sacct", "--noheader", "--parsable2", "--allocations", f"--format={fields}", named, *options)


def cancel(job_id: str) -> None:
    """Cancel a job; it is no error if it has ended."""
    _run("scancel", job_id)


def parse(text: str) -> dict[str, Job]:
    """Read ``squeue``'s lines in :data:`FORMAT`."""
    found = {}
    for line in text.splitlines():
        job_id, state, reason, node, comment = line.split("|", 4)
        found[job_id] = Job(state, reason, node, comment)
    return found


def _ask() -> Answer:
    asked = time.time()
    try:
        said = _run(
            "squeue", "--noheader", "--array", "--states=all", f"--user={getpass.getuser()}", f"--format={FORMAT}"
        )
        return Answer(asked, said)
    except (OSError, subprocess.SubprocessError) as error:
        return Answer(time.time(), None, last_line(said_by(error)))


def _run(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


def folder_of_this_user() -> Path:
    """Return a folder of this user on this host: the answers are shared between its processes alone.

    XDG_RUNTIME_DIR goes at the user's logout, which a process in tmux outlives.
    """
    try:
        return _own_folder(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    except OSError:
        return _own_folder(tempfile.gettempdir())


def _own_folder(parent: str) -> Path:
    folder = Path(parent) / f"mmdino-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        folder = Path(tempfile.mkdtemp(prefix="mmdino-"))
    return folder


def _stored(folder: Path) -> Answer | None:
    try:
        head, _, text = (folder / ANSWER).read_text().partition("\n")
        about = json.loads(head)
    except (FileNotFoundError, ValueError):
        return None
    if about.get("format") != FORMAT:  # another version's, of which this user runs a study too
        return None
    return Answer(about["asked"], text if about["answered"] else None, about["error"])


def _store(answer: Answer, folder: Path) -> None:
    about = {"asked": answer.asked, "answered": answer.text is not None, "error": answer.error, "format": FORMAT}
    temporary = folder / f"{ANSWER}.tmp"  # only the holder of the lock writes it
    temporary.write_text(f"{json.dumps(about)}\n{answer.text or ''}")
    os.replace(temporary, folder / ANSWER)
