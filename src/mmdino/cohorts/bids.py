"""Any BIDS data set: ``sub-01/ses-preop/anat/sub-01_ses-preop_ce-gadolinium_T1w.nii.gz``; t1c is a T1w with ``ce-``.

A segmentation is a ``dseg``, or a ``mask`` of a lesion or tumour. Of several files of one kind, preprocessed ones come
first. Labels: ``participants.tsv``, whose columns participant_id, label (one of ``tables.CLASSES``),
site, age, sex and patient (who it is, where several data sets hold one person) are read.
"""

import re

from mmdino.cohorts.common.metadata import find_metadata
from mmdino.cohorts.common.sessions import Hit, Scan, choose_preoperative, find_sessions
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels
from mmdino.tables import CLASSES

FILE = re.compile(
    r"(?:^|/)sub-(?P<subject>[0-9A-Za-z]+)(?:_ses-(?P<stamp>[0-9A-Za-z]+))?(?P<entities>(?:_[a-z]+-[0-9A-Za-z]+)*)"
    r"_(?P<suffix>T1w|T2w|FLAIR|dseg|mask)\.nii(?:\.gz)?$"
)
SUFFIXES = {"T1w": "t1", "T2w": "t2", "FLAIR": "flair", "dseg": "seg", "mask": "seg"}
COLUMNS = {"id": ("participant_id",), "label": ("label",), "site": ("site",), "patient": ("patient",)}


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return the sessions; of several of one subject ``ses-preop`` counts, or else the first."""
    found = find_sessions(tree, _match)
    stamps: dict[str, list[str]] = {}
    for row in found.rows:
        stamps.setdefault(row["subject"], []).append(row["stamp"])
    choose_preoperative(found, {name: "preop" if "preop" in of else min(of) for name, of in stamps.items()})
    people = find_metadata(tree, r"participants\.tsv", COLUMNS, _key, optional=("label", "site", "patient"))
    found.problems += people.problems
    for row in found.rows:
        record = people.records.get(_key(row["subject"]) or "")
        values = record.values if record else {}
        known = values.get("label", "").casefold()
        label = known if known in CLASSES else ""
        why = f"{record.where}: {record.said()}" if record else "participants.tsv does not list it"
        row |= {"label": label, "label_source": why if label else f"unlabelled: {why}"}
        row |= {column: values.get(column, "") for column in ("site", "patient")} | (record.person if record else {})
    return found


def _match(path: str) -> Hit | None:
    found = FILE.search(path)
    if not found:
        return None
    entities, kind = found["entities"], SUFFIXES[found["suffix"]]
    if found["suffix"] == "mask" and not re.search(r"_(desc|label)-(tumou?r|lesion)", entities, re.IGNORECASE):
        return None
    if kind == "t1" and "_ce-" in entities:
        kind = "t1c"
    return Hit(found["subject"], found["stamp"] or "", kind, 0 if "_desc-preproc" in entities else 1)


def _key(name: str) -> str | None:
    found = re.fullmatch(r"(?:sub-)?([0-9A-Za-z]+)", name)
    return found[1].casefold() if found else None
