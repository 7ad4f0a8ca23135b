"""A data set as MM-DINOv2's released code reads it: ``egd-0001/preop/sub-egd-0001_ses-preop_space-sri_t1c.nii.gz``.

Labels: ``phenoData.csv`` in the same folder, whose column ``WHO2021_Int`` numbers ``tables.CLASSES``; empty is unlabelled.
"""

import re

from mmdino.cohorts.common.labels import named_class
from mmdino.cohorts.common.metadata import find_metadata, tell_table
from mmdino.cohorts.common.sessions import Hit, Scan, called_otherwise, choose_preoperative, find_sessions, tell_unread
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels
from mmdino.tables import CLASSES

FILE = re.compile(
    r"(?:^|/)(?P<subject>[^/]+)/preop/sub-(?P=subject)_ses-preop_space-[0-9A-Za-z]+_(?P<kind>t1|t1c|t2|flair|seg)"
    r"\.nii(?:\.gz)?$",
    re.IGNORECASE,
)
FOLDER = re.compile(r"(?:.*/)?([^/]+)/preop/", re.IGNORECASE)
COLUMNS = {"id": ("Patient",), "label": ("WHO2021_Int",)}
WORDS = {str(number): name for number, name in enumerate(CLASSES)}


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return the sessions with their labels."""
    found = find_sessions(tree, _match)
    choose_preoperative(found, ".*")
    tell_unread(tree, found, _match, _whose, _say)
    people = find_metadata(tree, r"phenoData\.csv", COLUMNS, _key)
    keys = [_key(row["subject"]) for row in found.rows]
    tell_table(found, people, keys)
    for row, key in zip(found.rows, keys):
        record = people.records.get(key)
        label, why = "", "phenoData.csv does not list it"
        if record:
            number = record.values["label"].removesuffix(".0")
            label = named_class(number, WORDS, row, record.where, found.problems)
            why = f"{record.where}: {record.said()}"
        row |= {"label": label, "label_source": why if label else f"unlabelled: {why}"}
        row |= record.person if record else {}
    return found


def _match(path: str) -> Hit | None:
    found = FILE.search(path)
    return Hit(found["subject"], "", found["kind"].casefold(), 0) if found else None


def _whose(path: str) -> str | None:
    found = FOLDER.match(path)
    return found[1] if found else None


def _say(who: str, path: str) -> str:
    return called_otherwise(who, f"sub-{who}_ses-preop_space-sri_t1.nii.gz", path)


def _key(name: str) -> str:
    return name.casefold()
