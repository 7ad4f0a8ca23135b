"""The plain layout: ``<root>/<subject>/<subject>_{t1,t1c,t2,flair,seg}.nii.gz`` and ``<root>/labels.tsv``.

``t1ce`` counts as ``t1c``, and ``.nii`` as ``.nii.gz``. ``labels.tsv`` has the columns subject, site and label (one of
``tables.CLASSES``, or empty); a subject that it does not list is unlabelled.
"""

from pathlib import Path

import pandas as pd

from mmdino.errors import UserError, nearest
from mmdino.tables import CLASSES, SEQUENCES

SESSION = "preop"
NAMES = {**{name: (name,) for name in (*SEQUENCES, "seg")}, "t1c": ("t1c", "t1ce")}


def scan(root: Path) -> pd.DataFrame:
    """Return one row a subject folder, and one for each subject that only ``labels.tsv`` knows (excluded).

    Raises:
        UserError: ``labels.tsv`` is no such table, lists a subject twice, or has a label outside of the classes.
    """
    labels = _labels(root / "labels.tsv")
    folders = sorted(found for found in root.iterdir() if found.is_dir() and not found.name.startswith("."))
    rows = [_subject(folder) | labels.pop(folder.name, {}) for folder in folders]
    if rows:
        rows += [
            {"subject": subject, "excluded": f"labels.tsv lists it, but there is no folder '{subject}'", **known}
            for subject, known in labels.items()
        ]
    return pd.DataFrame(rows).assign(session=SESSION) if rows else pd.DataFrame()


def _subject(folder: Path) -> dict[str, str]:
    row = {"subject": folder.name, "excluded": ""}
    for name, endings in NAMES.items():
        candidates = [f"{folder.name}_{ending}{suffix}" for ending in endings for suffix in (".nii.gz", ".nii")]
        found = [candidate for candidate in candidates if (folder / candidate).is_file()]
        if len(found) > 1:
            row["excluded"] = f"{folder}: has {' and '.join(found)}; keep one of them"
        row[name] = f"{folder.name}/{found[0]}" if found else ""
    if not any(row[name] for name in SEQUENCES):
        row["excluded"] = f"{folder}: holds no sequence; files must be called {folder.name}_t1.nii.gz and so on"
    return row


def _labels(path: Path) -> dict[str, dict[str, str]]:
    """Return site, label and label_source by subject."""
    if not path.exists():
        return {}
    try:
        table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
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
    for line, (subject, site, label) in enumerate(zip(table["subject"], table["site"], table["label"]), start=2):
        if subject in known:
            raise UserError(f"{path}: line {line} lists the subject '{subject}' a second time; remove one of the lines")
        if label not in ("", *CLASSES):
            hint = nearest(label, CLASSES)
            raise UserError(f"{path}: line {line}: the label of '{subject}' is '{label}'{hint}; or leave it empty")
        known[subject] = {"site": site, "label": label, "label_source": str(path)}
    return known
