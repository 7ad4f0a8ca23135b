"""Cohorts as they lie on disk. A cohort's layout is one file here, an *adapter*, found by its name.

An adapter offers ``scan(root) -> DataFrame`` with one row a session: the columns of ``COLUMNS``, paths relative to
``root``, text everywhere, empty where nothing is known.
"""

import importlib
from pathlib import Path

import pandas as pd

from mmdino.config import Cohort
from mmdino.errors import UserError, nearest
from mmdino.tables import CLASSES, MANIFEST, SEQUENCES, conform

COLUMNS = ("subject", "session", "site", *SEQUENCES, "seg", "label", "label_source", "patient", "excluded")


def adapters() -> list[str]:
    """Return the names of the known adapters, with dashes."""
    return sorted(found.stem.replace("_", "-") for found in Path(__file__).parent.glob("*.py") if found.stem[0] != "_")


def build_manifest(name: str, cohort: Cohort, root: Path | str) -> pd.DataFrame:
    """Return the manifest (``tables.MANIFEST``) of the cohort that lies at ``root``.

    A missing sequence is an empty path. A session that cannot be used stays, with the reason in ``excluded``.

    Raises:
        UserError: the adapter is unknown, the folder is missing or empty, two patients have one id (case ignored), or a
            label is none of ``tables.CLASSES``.
    """
    root = Path(root)
    if cohort.adapter not in adapters():
        raise UserError(f"cohort '{name}': unknown adapter '{cohort.adapter}'{nearest(cohort.adapter, adapters())}")
    if not root.is_dir():
        raise UserError(
            f"{root}: there is no such folder; mend 'path' of the cohort '{name}' in the study, or put the data there"
        )
    adapter = importlib.import_module(f"mmdino.cohorts.{cohort.adapter.replace('-', '_')}")
    found = adapter.scan(root)
    if found.empty:
        raise UserError(
            f"{root}: holds no patient of the cohort '{name}' in the layout '{cohort.adapter}'; mend 'path' or "
            "'adapter' of the cohort in the study"
        )
    found = found.reindex(columns=list(COLUMNS), fill_value="").fillna("").astype(str)
    for column in (*SEQUENCES, "seg"):
        found[column] = [str(root / path) if path else "" for path in found[column]]
    found["cohort"], found["stage"] = name, cohort.stage
    found["site"] = found["site"].where(found["site"] != "", cohort.site or name)
    found["patient"] = found["patient"].where(found["patient"] != "", found["subject"])
    _check(found, root)
    return conform(MANIFEST, found.sort_values(["subject", "session"]), root)


def _check(found: pd.DataFrame, root: Path) -> None:
    session = found["subject"].str.casefold() + "/" + found["session"].str.casefold()
    twice = found[session.duplicated(keep=False)]
    if len(twice):
        names = ", ".join(sorted(twice["subject"])[:4])
        raise UserError(
            f"{root}: two patients have one id (upper and lower case count alike): {names}; rename or remove one"
        )
    wrong = found[~found["label"].isin(["", *CLASSES])]
    if len(wrong):
        row = wrong.iloc[0]
        hint = nearest(row["label"], CLASSES)
        raise UserError(f"{row['label_source']}: the label of '{row['subject']}' is '{row['label']}'{hint}")
