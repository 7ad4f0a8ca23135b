"""The plain layout: ``<root>/<subject>/<subject>_{t1,t1c,t2,flair,seg}.nii.gz`` and ``<root>/labels.tsv``, or ``.csv``.

``t1ce`` counts as ``t1c``, ``.nii`` as ``.nii.gz``, and the case of files' names and of ids does not count. The table has
the columns subject and label (one of ``tables.CLASSES``, or empty), and may have site, age (years) and sex; a subject that it
does not list is unlabelled.
"""

from dataclasses import replace
from pathlib import Path

from mmdino.cohorts.common.metadata import Metadata, find_metadata
from mmdino.cohorts.common.sessions import PREOP, Scan
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels
from mmdino.errors import UserError, nearest
from mmdino.tables import CLASSES, SEQUENCES

NAMES = {**{name: (name,) for name in (*SEQUENCES, "seg")}, "t1c": ("t1c", "t1ce")}
TABLE = r"labels\.(tsv|csv)"
COLUMNS = {"id": ("subject",), "site": ("site",), "label": ("label",)}


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return one row a subject folder, and one for each subject that only the table of labels knows (excluded).

    Raises:
        UserError: the table is none, lacks a column, or has a label outside of the classes.
    """
    folders = sorted(found.name for found in tree.root.iterdir() if found.is_dir() and not found.name.startswith("."))
    spelling = {_key(name): name for name in folders}
    beside = replace(tree, files=tuple(path for path in tree.files if "/" not in path))
    people = find_metadata(beside, TABLE, COLUMNS, lambda name: spelling.setdefault(_key(name), name), ("site",))
    files: dict[str, list[str]] = {}  # by folder
    for path in tree.files:
        folder, _, file = path.rpartition("/")
        files.setdefault(folder, []).append(file)
    rows = [_subject(tree.root, name, files.get(name, [])) for name in folders]
    if rows and people.path:
        there = set(folders)
        rows += [
            {"subject": name, "excluded": f"{people.path.name} lists it, but there is no folder '{name}'"}
            for name in people.records
            if name not in there
        ]
    return Scan([{"session": PREOP} | row | _told(row["subject"], people) for row in rows], people.problems)


def _key(name: str) -> str:
    return " ".join(name.split()).casefold()  # cells are read without double blanks


def _subject(root: Path, name: str, files: list[str]) -> dict[str, str]:
    row = {"subject": name, "excluded": ""}
    for kind, endings in NAMES.items():
        candidates = [f"{name}_{ending}{suffix}".casefold() for ending in endings for suffix in (".nii.gz", ".nii")]
        found = [file for candidate in candidates for file in files if file.casefold() == candidate]
        if len(found) > 1:
            row["excluded"] = f"{root / name}: has {' and '.join(found)}; keep one of them"
        row[kind] = f"{name}/{found[0]}" if found else ""
    if not any(row[kind] for kind in SEQUENCES):
        row["excluded"] = f"{root / name}: holds no sequence; files must be called {name}_t1.nii.gz and so on"
    return row


def _told(subject: str, people: Metadata) -> dict[str, str]:
    """Return a subject's site, age and sex, and the label with its source, or why there is none.

    Raises:
        UserError: the label is none of the classes.
    """
    if people.path is None:
        return {"label_source": "unlabelled: neither labels.tsv nor labels.csv lies in the cohort's folder"}
    record = people.records.get(subject)
    if record is None:
        why = "has rows of it that disagree" if subject in people.refused else "does not list it"
        return {"label_source": f"unlabelled: {people.path.name} {why}"}
    said = record.values["label"]
    label = said.casefold()
    if label not in ("", *CLASSES):
        raise UserError(
            f"{people.path}: the label of '{subject}' is '{said}'{nearest(label, CLASSES)}; mend it, or leave it empty "
            f"({record.where})"
        )
    told = f"{record.where}: {record.said()}"
    source = told if label else f"unlabelled: {people.path.name} gives no label ({told})"
    return {"site": record.values.get("site", ""), "label": label, "label_source": source, **record.person}
