"""Cohorts as they lie on disk. A cohort's layout is one file here, an *adapter*, found by its name.

An adapter offers ``scan(tree, rules) -> Scan`` with one row a session: the columns of ``COLUMNS``, paths relative to the
tree's root, text everywhere, empty or absent where nothing is known; and a ``LAYOUT`` where it reads a published archive.
"""

import importlib
import logging
from pathlib import Path
from types import ModuleType

import pandas as pd

from mmdino.cohorts.common.sessions import Scan
from mmdino.cohorts.common.tree import Tree, walk
from mmdino.config import Cohort, Labels
from mmdino.errors import UserError, nearest
from mmdino.tables import CLASSES, MANIFEST, SEQUENCES, conform

COLUMNS = (
    *("subject", "session", "site", "age", "sex"),
    *(*SEQUENCES, "seg", "label", "label_source", "patient", "excluded"),
)
FEW = 4  # sentences that stand for all
log = logging.getLogger(__name__)


def adapters() -> list[str]:
    """Return the names of the known adapters, with dashes."""
    return sorted(found.stem.replace("_", "-") for found in Path(__file__).parent.glob("*.py") if found.stem[0] != "_")


def load_adapter(name: str) -> ModuleType:
    """Return an adapter by its name.

    Raises:
        UserError: there is none of that name.
    """
    if name not in adapters():
        raise UserError(f"unknown adapter '{name}'{nearest(name, adapters())}")
    return importlib.import_module(f"mmdino.cohorts.{name.replace('-', '_')}")


def recognise(tree: Tree) -> dict[str, int]:
    """Return, by the adapters' names, of how many sequences the names fit their published layout; those of none absent."""
    layouts = {name: getattr(load_adapter(name), "LAYOUT", None) for name in adapters()}
    counts = {name: sum(map(bool, map(layout.match, tree.files))) for name, layout in layouts.items() if layout}
    return {name: count for name, count in counts.items() if count}


def build_manifest(name: str, cohort: Cohort, root: Path | str, rules: Labels | None = None) -> pd.DataFrame:
    """Return the manifest (``tables.MANIFEST``) of the cohort that lies at ``root``, as :func:`read_cohort` does.

    What is wrong with single files or rows is logged as a warning.

    Raises:
        UserError: as for :func:`read_cohort`.
    """
    manifest, problems = read_cohort(name, cohort, Path(root), rules or Labels())
    for problem in problems:
        log.warning(problem)
    return manifest


def read_cohort(name: str, cohort: Cohort, root: Path, rules: Labels) -> tuple[pd.DataFrame, list[str]]:
    """Return the manifest of the cohort that lies at ``root``, and what is wrong with single files or rows, in sentences.

    A missing sequence is an empty path. A session that cannot be used stays, with the reason in ``excluded``.

    Raises:
        UserError: the adapter is unknown, the folder is missing, empty or another cohort's, a label table lacks its
            columns, two patients have one id (case ignored), or a label is none of ``tables.CLASSES``.
    """
    try:
        adapter = load_adapter(cohort.adapter)
    except UserError as error:
        raise UserError(f"cohort '{name}': {error}") from None
    if not root.is_dir():
        raise UserError(
            f"{root}: there is no such folder; mend 'path' of the cohort '{name}' in the study, or put the data there"
        )
    tree = walk(root)
    scan = adapter.scan(tree, rules)
    if not scan.rows:
        others = [other for other in recognise(tree) if other != cohort.adapter]
        hint = f"; it looks like {' and '.join(others)}" if others else ""
        told = (
            f"{root}: holds no patient of the cohort '{name}' in the layout '{cohort.adapter}'{hint}; mend 'path' or "
            "'adapter' of the cohort in the study"
        )
        raise UserError("\n".join([told, *scan.problems[:FEW]]))
    found = sessions(scan)
    if name in rules.hidden:
        found["label_source"] = found["label_source"].where(
            found["label"] == "", "unlabelled: labels.hidden names the cohort"
        )
        found["label"] = ""
    for column in (*SEQUENCES, "seg"):
        found[column] = [str(root / path) if path else "" for path in found[column]]
    found["cohort"], found["stage"] = name, cohort.stage
    found["site"] = found["site"].where(found["site"] != "", cohort.site or name)
    found["patient"] = found["patient"].where(found["patient"] != "", found["subject"])
    require_sound(found, root)
    manifest = conform(MANIFEST, found.sort_values(["subject", "session"]), root)
    return manifest, [*tree.problems, *scan.problems]


def sessions(scan: Scan) -> pd.DataFrame:
    """Return what an adapter found as a table of ``COLUMNS``, text everywhere."""
    return pd.DataFrame(scan.rows).reindex(columns=list(COLUMNS), fill_value="").fillna("").astype(str)


def require_sound(found: pd.DataFrame, root: Path) -> None:
    """Refuse sessions of which no manifest can be made.

    Raises:
        UserError: two patients have one id (case ignored), or a label is none of ``tables.CLASSES``.
    """
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
