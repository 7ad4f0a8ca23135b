"""Any BIDS data set: ``sub-01/ses-preop/anat/sub-01_ses-preop_ce-gadolinium_T1w.nii.gz``; t1c is a T1w with ``ce-``.

A segmentation is a ``dseg``, or a ``mask`` of a lesion or tumour. Of several files of one kind, preprocessed ones come
first. Labels: ``participants.tsv``, whose columns participant_id, label (one of ``tables.CLASSES``),
site, age, sex and patient (who it is, where several data sets hold one person) are read.
"""

import re
from datetime import datetime

from mmdino.cohorts.common.labels import named_class
from mmdino.cohorts.common.metadata import find_metadata, tell_table
from mmdino.cohorts.common.sessions import Hit, Scan, called_otherwise, choose_preoperative, find_sessions, tell_unread
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels
from mmdino.tables import CLASSES

FILE = re.compile(
    r"(?:^|/)sub-(?P<subject>[0-9A-Za-z]+)(?:_ses-(?P<stamp>[0-9A-Za-z]+))?(?P<entities>(?:_[a-z]+-[0-9A-Za-z]+)*)"
    r"_(?P<suffix>T1w|T2w|FLAIR|dseg|mask)\.nii(?:\.gz)?$",
    re.IGNORECASE,
)
FOLDER = re.compile(r"(?:.*/)?sub-([^/]+)/", re.IGNORECASE)
FLAT = re.compile(r"(?:.*/)?sub-([^/]+?)(?:_[a-z]+-[0-9A-Za-z]+)*_[^/_]+", re.IGNORECASE)  # a file in no such folder
SUFFIXES = {"t1w": "t1", "t2w": "t2", "flair": "flair", "dseg": "seg", "mask": "seg"}
BEFORE = re.compile(r"pre(?!rt|rad|chemo)")
AFTER = re.compile(r"post|follow|fu(?=\d|$)|pre(rt|rad|chemo)")  # who waits for radiotherapy has been operated
NUMBERED = re.compile(r"([a-z]*)(\d{1,4}|\d{8})([a-z]*)")
COLUMNS = {"id": ("participant_id",), "label": ("label",), "site": ("site",), "patient": ("patient",)}
WORDS = {name: name for name in CLASSES}


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return the sessions; of each subject the pre-operative one counts (:func:`preoperative`)."""
    found = find_sessions(tree, _match)
    _choose(found)
    tell_unread(tree, found, _match, _whose, _say)
    people = find_metadata(tree, r"participants\.tsv", COLUMNS, _key, optional=("label", "site", "patient"))
    keys = [_key(row["subject"]) for row in found.rows]
    tell_table(found, people, keys)
    for row, key in zip(found.rows, keys):
        record = people.records.get(key or "")
        values = record.values if record else {}
        label, why = "", "participants.tsv does not list it"
        if record and "label" not in values:
            why = f"participants.tsv has no column 'label'; found were: {', '.join(record.headings)}"
        elif record:
            label = named_class(values["label"], WORDS, row, record.where, found.problems)
            why = f"{record.where}: {record.said()}"
        row |= {"label": label, "label_source": why if label else f"unlabelled: {why}"}
        row |= {column: values.get(column, "") for column in ("site", "patient")} | (record.person if record else {})
    return found


def _choose(found: Scan) -> None:
    """Keep each subject's pre-operative session; where it is not known, no session is kept, and the reason names them."""
    stamps: dict[str, list[str]] = {}
    for row in found.rows:
        stamps.setdefault(row["subject"], []).append(row["stamp"])
    chosen = {name: preoperative(of) for name, of in stamps.items()}
    choose_preoperative(found, {name: stamp for name, stamp in chosen.items() if stamp is not None})
    for row in found.rows:
        if chosen[row["subject"]] is None:
            named = ", ".join(f"ses-{stamp}" if stamp else "the one without a name" for stamp in stamps[row["subject"]])
            row["excluded"] = f"none of the sessions is known to be pre-operative ({named}); call it ses-preop"


def preoperative(stamps: list[str]) -> str | None:
    """Return which of one subject's sessions is the pre-operative one; None if their names do not tell.

    That is ``preop``, else the one that begins with ``pre``, else the only one, else the first of those that are all
    numbered or dated (year, month, day) in one way. One that is called ``post``, follow-up or ``fu`` is none.
    """
    if "preop" in stamps:
        return "preop"
    before = [stamp for stamp in stamps if BEFORE.match(stamp)] or stamps
    if any(map(AFTER.match, before)):
        return None
    return before[0] if len(before) == 1 else _first(before)


def _first(stamps: list[str]) -> str | None:
    """Return the first of sessions that are numbered or dated alike (``01``, ``week012``, ``20190304``), or None."""
    found = [NUMBERED.fullmatch(stamp) for stamp in stamps]
    parts = [(match[1], match[3], len(match[2]) == len("20190304")) for match in found if match]
    if len(parts) < len(stamps) or len(set(parts)) > 1:
        return None
    numbers = {int(match[2]): stamp for match, stamp in zip(found, stamps) if match}
    dated = parts[0][-1]
    if len(numbers) < len(stamps) or (dated and not all(map(_is_date, numbers))):
        return None
    return numbers[min(numbers)]


def _is_date(number: int) -> bool:
    try:
        return datetime.strptime(str(number), "%Y%m%d").year > 1900
    except ValueError:
        return False


def _match(path: str) -> Hit | None:
    found = FILE.search(path)
    if not found:
        return None
    entities, suffix = found["entities"].casefold(), found["suffix"].casefold()
    kind = SUFFIXES[suffix]
    if suffix == "mask" and not re.search(r"_(desc|label)-(tumou?r|lesion)", entities):
        return None
    if kind == "t1" and "_ce-" in entities:
        kind = "t1c"
    return Hit(found["subject"], found["stamp"] or "", kind, 0 if "_desc-preproc" in entities else 1)


def _whose(path: str) -> str | None:
    found = FOLDER.match(path) or FLAT.fullmatch(path)
    return found[1] if found else None


def _say(who: str, path: str) -> str:
    if re.fullmatch(r"[0-9A-Za-z]+", who):
        return called_otherwise(f"sub-{who}", f"sub-{who}_T1w.nii.gz", path)
    return f"'sub-{who}' is no id of BIDS, which has letters and digits only; rename it and its files"


def _key(name: str) -> str | None:
    found = re.fullmatch(r"(?:sub-)?([0-9A-Za-z]+)", name)
    return found[1].casefold() if found else None
