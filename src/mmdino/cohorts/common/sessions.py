"""From files' names to sessions: which file is which sequence of whom, and which session is the pre-operative one."""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mmdino.cohorts.common.tree import Tree
from mmdino.tables import SEQUENCES

NIFTI = (".nii", ".nii.gz")
PREOP = "preop"


@dataclass(frozen=True)
class Layout:
    """How a cohort's archive names its files.

    Attributes:
        title: the published name.
        stage: in which stage its scans come (``config.Cohort.stage``).
        patients: how many were published.
        subject: regular expression of a patient's id.
        name: where subject, stamp (what tells a patient's sessions apart) and kind stand in a path's last parts.
        kinds: the words for sequences and segmentations, a better one before a worse one of the same kind.
        stamp: regular expression of the stamp, if there are any.
        baseline: regular expression of a pre-operative session's stamp; the first that fits counts.
        key: regular expression whose groups identify a patient (or session) in folders and in tables alike; leading
            zeros and case do not count.
        family: what an id of the cohort begins with, so that misspelt ones are noticed.
    """

    title: str
    stage: str
    patients: int
    subject: str
    name: str
    kinds: Mapping[str, str]
    key: str
    family: str
    stamp: str = "(?!)"
    baseline: str = ".*"

    @cached_property
    def _path(self) -> re.Pattern[str]:
        kinds = "|".join(re.escape(word) for word in self.kinds)
        parts = {"subject": self.subject, "stamp": self.stamp, "kind": kinds}
        named = self.name.format(**{part: f"(?P<{part}>{pattern})" for part, pattern in parts.items()})
        return re.compile(rf"(?:^|/){named}\.nii(?:\.gz)?$", re.IGNORECASE)

    @cached_property
    def _words(self) -> dict[str, tuple[str, int]]:
        return {word.casefold(): (kind, rank) for rank, (word, kind) in enumerate(self.kinds.items())}

    def match(self, path: str) -> "Hit | None":
        """Return what a file is, or None if its name is none of the cohort's."""
        found = self._path.search(path)
        if not found:
            return None
        kind, rank = self._words[found["kind"].casefold()]
        return Hit(found["subject"], found.groupdict().get("stamp") or "", kind, rank)

    def join_key(self, text: str) -> str | None:
        """Return what an id of a folder or a table is joined by; None if it is no id of the cohort."""
        found = re.match(rf"(?:{self.key})(?![0-9A-Za-z])", text.strip(), re.IGNORECASE)
        return found and "_".join(part.lstrip("0").casefold() for part in found.groups(default=""))

    @cached_property
    def _id(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![0-9A-Za-z])(?:{self.subject})(?![0-9A-Za-z])", re.IGNORECASE)

    def odd(self, path: str) -> str | None:
        """Return the part of a path that looks like an id of the cohort, but is none."""
        for part in path.split("/"):
            if re.match(self.family, part, re.I) and not self._id.search(part):
                return part
        return None

    def whose(self, path: str) -> str | None:
        """Return the last id of the cohort in a path: in the file's own name, else in a folder's."""
        found = list(self._id.finditer(path))
        return found[-1][0] if found else None

    def example(self, subject: str) -> str:
        """Return what a scan of a patient is called, without what a name may have or not."""
        plain = re.sub(r"\(\?:[^()]*\)\?", "", self.name).replace("[_-]", "_")
        return plain.format(subject=subject, stamp="<session>", kind=next(iter(self.kinds))) + ".nii.gz"


@dataclass(frozen=True)
class Hit:
    """One file: whose, of which session, which sequence (or ``seg``); of two of a kind the lower rank is better."""

    subject: str
    stamp: str
    kind: str
    rank: int


@dataclass
class Scan:
    """What an adapter found: a row a session (``cohorts.COLUMNS``, and ``stamp``), and what is wrong, in sentences."""

    rows: list[dict[str, Any]]
    problems: list[str] = field(default_factory=list)


def find_sessions(tree: Tree, match: Callable[[str], Hit | None]) -> Scan:
    """Return a row for each subject and stamp; paths are relative to the tree's root.

    A session that has two files of one kind, or no sequence, is excluded with that reason.
    """
    sessions: dict[tuple[str, str], dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    spelling: dict[str, str] = {}
    for path in tree.files:
        hit = match(path) if path.casefold().endswith(NIFTI) else None
        if hit:
            subject = spelling.setdefault(hit.subject.casefold(), hit.subject)
            sessions[subject, hit.stamp.casefold()][hit.kind].append((hit.rank, path))
    return Scan([_row(subject, stamp, sessions[subject, stamp]) for subject, stamp in sorted(sessions)])


def _row(subject: str, stamp: str, files: Mapping[str, list[tuple[int, str]]]) -> dict[str, Any]:
    row = {"subject": subject, "session": PREOP, "stamp": stamp, "excluded": ""}
    for kind in (*SEQUENCES, "seg"):
        best = min((rank for rank, _ in files.get(kind, [])), default=0)
        found = [path for rank, path in files.get(kind, []) if rank == best]
        row[kind] = found[0] if found else ""
        if len(found) > 1:
            row["excluded"] = f"two files of one kind, {' and '.join(found[:2])}; keep one of them"
    if not any(row[name] for name in SEQUENCES):
        row["excluded"] = f"no sequence lies beside {row['seg']}"
    return row


def choose_preoperative(scan: Scan, baseline: str | Mapping[str, str]) -> None:
    """Keep one session a subject; the others are excluded as follow-ups, under a session name of their own.

    Args:
        scan: changed in place.
        baseline: what the pre-operative stamp looks like (the first that fits counts), or that stamp by subject.
    """
    stamps: dict[str, list[str]] = defaultdict(list)
    for row in scan.rows:
        stamps[row["subject"]].append(row["stamp"])
    for row in scan.rows:
        if isinstance(baseline, str):
            fit = [stamp for stamp in sorted(stamps[row["subject"]]) if re.fullmatch(baseline, stamp, re.IGNORECASE)]
            chosen = fit[0] if fit else None
        else:
            chosen = baseline.get(row["subject"])
        if row["stamp"] != chosen:
            row["session"] = re.sub(r"[^0-9a-z]", "", row["stamp"])
            known = "none is known" if chosen is None else f"that is '{chosen}'" if chosen else "that has no suffix"
            row["excluded"] = f"session '{row['stamp']}' is not the pre-operative one ({known})"


def tell_unread(
    tree: Tree,
    scan: Scan,
    match: Callable[[str], Hit | None],
    whose: Callable[[str], str | None],
    say: Callable[[str, str], str],
) -> None:
    """Add a problem for each who has NIfTI files and no row, since none of them is called as the layout asks.

    Args:
        tree: the cohort's files.
        scan: its sessions; changed in place.
        match: what :func:`find_sessions` read the names by.
        whose: the subject of a file that it did not match, as far as the path tells.
        say: what is wrong, by the subject and the first such file.
    """
    told = {row["subject"].casefold() for row in scan.rows}
    for path in tree.files:
        who = whose(path) if path.casefold().endswith(NIFTI) and not match(path) else None
        if who and who.casefold() not in told:
            told.add(who.casefold())
            scan.problems.append(f"{tree.root}: {say(who, path)}")


def called_otherwise(who: str, example: str, path: str) -> str:
    """Return in words that of somebody's scans none has the name that it must have."""
    return f"{who} has scans, but none is called as {example} is, e.g. {path}; rename them"


def scan_layout(tree: Tree, layout: Layout, preoperative: Mapping[str, str] | None = None) -> Scan:
    """Return a cohort's sessions by its layout; ids that look odd, and who has no file of its names, are problems.

    Args:
        tree: the cohort's files.
        layout: how they are named.
        preoperative: the pre-operative stamp by subject, where a table and not the stamp itself says so.
    """
    scan = find_sessions(tree, layout.match)
    choose_preoperative(scan, layout.baseline if preoperative is None else preoperative)
    odd = {layout.odd(path) for path in tree.files if path.casefold().endswith(NIFTI)} - {None}
    scan.problems += [
        f"{tree.root}: '{part}' looks like a patient of {layout.title}, but is no id of it; rename it"
        for part in sorted(map(str, odd))
    ]
    tell_unread(
        tree, scan, layout.match, layout.whose, lambda who, path: called_otherwise(who, layout.example(who), path)
    )
    return scan
