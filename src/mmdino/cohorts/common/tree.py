"""What lies below a folder, found by walking the disk once."""

import os
import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

SKIPPED = ("old", "__MACOSX", "lost+found")  # UPENN-GBM has two stray ``old``
SKIPPED_STARTS = (".", "~$")  # hidden files, macOS's ``._`` twins; what Excel puts beside a workbook that is open


@dataclass(frozen=True)
class Tree:
    """The files below ``root``, sorted, as paths relative to it with slashes; and what could not be read, in sentences."""

    root: Path
    files: tuple[str, ...]
    problems: tuple[str, ...] = ()

    def named(self, pattern: str) -> list[Path]:
        """Return the files whose whole name fits a regular expression (case ignored), by name."""
        name = re.compile(pattern, re.IGNORECASE)
        found = [path for path in self.files if name.fullmatch(path.rpartition("/")[2])]
        return [self.root / path for path in sorted(found, key=lambda path: path.rpartition("/")[2])]


def walk(root: Path) -> Tree:
    """Walk a folder once. Links are followed, each folder is read only once, and links wait until no folder is left."""
    files: list[str] = []
    problems: list[str] = []
    seen: set[tuple[int, int]] = set()
    pending = deque([""])
    while pending:
        folder = pending.pop()
        try:
            status = os.stat(root / folder)
            if (status.st_dev, status.st_ino) in seen:
                problems.append(f"{root / folder}: is a link to a folder that was read already; passed over")
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    if entry.name.startswith(SKIPPED_STARTS) or entry.name in SKIPPED:
                        continue
                    path = f"{folder}/{entry.name}" if folder else entry.name
                    kind = _kind(entry)
                    if kind == "folder":
                        (pending.appendleft if entry.is_symlink() else pending.append)(path)
                    elif kind == "file":
                        files.append(path)
                    else:
                        problems.append(f"{root / path}: is a link to nothing, or to itself; mend or remove it")
        except OSError as error:
            problems.append(f"{root / folder}: cannot be read ({error.strerror}); give yourself read permission")
    return Tree(root, tuple(sorted(files)), tuple(problems))


def _kind(entry: os.DirEntry) -> str:
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else ""
    except OSError:  # a link to itself
        return ""
