"""Files written whole or not at all, and hashes that stay the same on every machine."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmdino.errors import UserError


@contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` and move it into place when the block ends without an error.

    The temporary name keeps all of the suffixes (``.nii.gz``), since writers choose their format by them. Data is
    flushed to disk before the move, so that a crash leaves the old file or the new one, never half of one.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".tmp-", suffix="-" + path.name)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        os.replace(temporary, path)
    except UserError:
        raise
    except Exception as error:
        raise _explain(error, path) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path | str) -> Iterator[Path]:
    """Yield an empty temporary folder and put it in ``folder``'s place when the block ends without an error.

    Its name is always the same, so that what a killed process left is cleared by the next one.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    folder = Path(folder)
    temporary, old = (folder.with_name(f".{kind}-{folder.name}") for kind in ("tmp", "old"))
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            os.replace(folder, old)
        os.replace(temporary, folder)
    except OSError as error:
        raise _explain(error, folder) from error
    finally:
        for rest in (temporary, old):
            shutil.rmtree(rest, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _explain(error: Exception, path: Path) -> Exception:
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error) or _is_full(path.parent):
        return UserError(
            f"{path}: no space is left on the disk; free some, or point `results` elsewhere, and start again: "
            "finished work is kept"
        )
    if number in (errno.EACCES, errno.EROFS, errno.EPERM):
        return UserError(
            f"{path}: cannot be written ({os.strerror(number)}); give yourself write permission or point `results` elsewhere"
        )
    return error


def _is_full(folder: Path) -> bool:
    """Whether nothing more can be written: torch tells a full disk in words of its own, safetensors in an error of its own."""
    return folder.exists() and shutil.disk_usage(folder).free < 4096


def remove(path: Path | str) -> None:
    """Delete a file, if it is there.

    Raises:
        UserError: its folder cannot be written.
    """
    try:
        Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise _explain(error, Path(path)) from error


def remove_below(folder: Path, path: Path) -> None:
    """Delete a file somewhere below ``folder``, if it is there, and the folders between that are empty then.

    Raises:
        UserError: its folder cannot be written.
    """
    remove(path)
    for parent in path.parents:
        if parent == folder or (parent.exists() and any(parent.iterdir())):
            break
        if parent.exists():
            parent.rmdir()


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write ``value`` atomically as indented JSON with sorted keys; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is missing or is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such file; run the step that writes it (`snakemake {path}`)") from None
    except ValueError as error:
        raise UserError(
            f"{path}: is not valid JSON ({error}); delete it and run the step that writes it again"
        ) from None


def stable_hash(*parts: object) -> int:
    """Return a 63-bit integer that depends on ``parts`` alone: the same in every process and on every machine."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def bucket(subject: str, shards: int) -> int:
    """Return the shard in 0…shards-1 to which a subject belongs."""
    return stable_hash("shard", subject) % shards


def content_key(value: Any) -> str:
    """Return 16 hexadecimal digits that identify a JSON-able value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def file_digest(path: Path | str) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
