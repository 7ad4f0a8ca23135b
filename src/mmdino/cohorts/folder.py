"""The plain layout: ``<root>/<subject>/<subject>_{t1,t1c,t2,flair,seg}.nii.gz`` and ``<root>/labels.tsv``.

``t1ce`` counts as ``t1c``, ``.nii`` as ``.nii.gz``, and the case of files' names does not count. ``labels.tsv`` has the
columns subject, site and label (one of ``tables.CLASSES``, or empty), and may have age (years) and sex; a subject that it
does not list is unlabelled.
"""

from pathlib import Path

import pandas as pd

from mmdino.cohorts.common.people import person
from mmdino.cohorts.common.sessions import PREOP, Scan
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels
from mmdino.errors import UserError, nearest
from mmdino.tables import CLASSES, SEQUENCES

NAMES = {**{name: (name,) for name in (*SEQUENCES, "seg")}, "t1c": ("t1c", "t1ce")}


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return one row a subject folder, and one for each subject that only ``labels.tsv`` knows (excluded).

    Raises:
        UserError: ``labels.tsv`` is no such table, lists a subject twice, or has a label outside of the classes.
    """
    labels = _labels(tree.root / "labels.tsv")
    files: dict[str, list[str]] = {}  # by folder
    for path in tree.files:
        folder, _, file = path.rpartition("/")
        files.setdefault(folder, []).append(file)
    folders = sorted(found.name for found in tree.root.iterdir() if found.is_dir() and not found.name.startswith("."))
    rows = [_subject(tree.root, name, files.get(name, [])) | labels.pop(name, {}) for name in folders]
    if rows:
        rows += [
            {"subject": subject, "excluded": f"labels.tsv lists it, but there is no folder '{subject}'", **known}
            for subject, known in labels.items()
        ]
    return Scan([{"session": PREOP} | row for row in rows])


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


def _labels(path: Path) -> dict[str, dict[str, str]]:
    """Return site, label, label_source, age and sex by subject."""
    if not path.exists():
        return {}
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    except PermissionError:
        raise UserError(f"{path}: cannot be read; give yourself read permission") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path}: is not a tab-separated table ({' '.join(str(error).split())}); write it again"
        ) from None
    missing = [column for column in ("subject", "site", "label") if column not in table]
    if missing:
        raise UserError(
            f"{path}: lacks the column {', '.join(missing)}; it needs subject, site and label, separated by tabs"
        )
    known: dict[str, dict[str, str]] = {}
    rows: list[dict] = table.to_dict("records")
    for line, row in enumerate(rows, start=2):
        subject, label = row["subject"], row["label"]
        if subject in known:
            raise UserError(f"{path}: line {line} lists the subject '{subject}' a second time; remove one of the lines")
        if label not in ("", *CLASSES):
            hint = nearest(label, CLASSES)
            raise UserError(f"{path}: line {line}: the label of '{subject}' is '{label}'{hint}; or leave it empty")
        known[subject] = {"site": row["site"], "label": label, "label_source": str(path), **person(row)}
    return known
