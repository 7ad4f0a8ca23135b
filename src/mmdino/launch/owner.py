"""Locks that name their owner, and are broken only when the owner is provably gone."""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.launch.queue import this_job


@dataclass(frozen=True)
class Owner:
    """A process on a host, perhaps of a SLURM job; ``started`` tells it from a later one with the same number."""

    host: str
    pid: int
    started: float
    job: str | None = None

    @classmethod
    def me(cls) -> "Owner":
        """Return this process."""
        return cls.of(os.getpid(), this_job())

    @classmethod
    def of(cls, pid: int, job: str | None = None) -> "Owner":
        """Return a process of this host."""
        return cls(socket.gethostname(), pid, psutil.Process(pid).create_time(), job)

    def __str__(self) -> str:
        job = f" of job {self.job}" if self.job else ""
        return f"process {self.pid} on {self.host}{job}"


class Held(UserError):
    """Somebody else holds the lock, or may hold it."""


JobAlive = Callable[[str], bool | None]  # None: the scheduler does not say


def gone(owner: Owner, job_alive: JobAlive) -> bool:
    """Whether ``owner`` is provably gone: its process on this host, or its job for the scheduler."""
    me = Owner.me()
    if owner.job is not None and owner.job == me.job:
        return owner != me  # an earlier attempt of this very job, which SLURM has put back into the queue
    if owner.host == me.host:
        return not process_alive(owner.pid, owner.started)
    return owner.job is not None and job_alive(owner.job) is False


def process_alive(pid: int, started: float) -> bool:
    """Whether the process that had this number at that time still runs on this host."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - started) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@contextmanager
def lock(path: Path, what: str, job_alive: JobAlive) -> Iterator[None]:
    """Hold the lock file ``path`` while the block runs.

    Args:
        path: a file beside what it protects; it need not lie on a file system that knows ``flock``.
        what: what is protected, for the error.
        job_alive: whether a SLURM job still waits or runs.

    Raises:
        Held: somebody else holds it and isn't provably gone.
    """
    me = Owner.me()
    while not _take(path, me):
        _break(path, what, job_alive)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _take(path: Path, me: Owner) -> bool:
    """Create the lock, complete from its first moment: a hard link is made whole or not at all, on NFS too."""
    mine = path.with_name(f".{path.name}-{me.host}-{me.pid}")
    write_json(mine, asdict(me))
    try:
        os.link(mine, path)
    except FileExistsError:
        return False
    finally:
        mine.unlink(missing_ok=True)
    return True


def _break(path: Path, what: str, job_alive: JobAlive) -> None:
    """Remove the lock of an owner that is gone."""
    owner = _read(path)
    if owner is None:
        return
    if not gone(owner, job_alive):
        raise Held(f"{what} belongs to {owner}; wait for it or stop it. If you know that it is gone, delete {path}")
    # Somebody else may break it at the same time and take it anew: look at what was moved away, and put it back if need be.
    aside = Path(tempfile.mkdtemp(prefix=".broken-", dir=path.parent)) / path.name
    try:
        os.rename(path, aside)
        if _read(aside) != owner:
            os.link(aside, path)
    except (FileNotFoundError, FileExistsError):
        pass
    finally:
        aside.unlink(missing_ok=True)
        aside.parent.rmdir()


def _read(path: Path) -> Owner | None:
    if not path.exists():
        return None
    try:
        stored: dict[str, Any] = read_json(path)
    except UserError:
        return None if not path.exists() else _unreadable(path)
    return Owner(**stored)


def _unreadable(path: Path) -> Owner:
    raise Held(f"{path}: cannot be read, so that its owner is not known; delete it if nothing runs there")
