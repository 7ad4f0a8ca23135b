"""A data set that was preprocessed elsewhere, taken in: every file checked before a study counts on it."""

from pathlib import Path

import pandas as pd
from tqdm import tqdm

from mmdino.cohorts import build_manifest, load_adapter
from mmdino.cohorts.common.tree import walk
from mmdino.config import Cohort, Labels
from mmdino.config.cohort import wrong_name
from mmdino.errors import UserError, one_line
from mmdino.nifti import on_one_grid, read_labels, read_volume
from mmdino.tables import SEQUENCES

LAYOUTS = ("mm-dinov2", "bids")


def take_in(name: str, root: Path) -> tuple[pd.DataFrame, Cohort]:
    """Return the manifest of a preprocessed data set, and the cohort as a study names it.

    Every sequence and segmentation is read. A session whose files are damaged, or do not lie on one grid, is excluded
    with that reason.

    Args:
        name: the cohort's name in the study.
        root: a BIDS(-derivatives) data set, or one in MM-DINOv2's layout.

    Raises:
        UserError: the name can be no cohort's, the folder is missing or in neither layout, or its label table cannot be used.
    """
    if fault := wrong_name(name):
        raise UserError(f"--name: {fault}")
    tree = walk(root)
    fits = [layout for layout in LAYOUTS if load_adapter(layout).scan(tree, Labels()).rows]
    if not fits:
        raise UserError(f"{root}: is neither a BIDS data set nor in MM-DINOv2's layout; see docs/cohorts.md")
    cohort = Cohort(adapter=fits[0], stage="stripped", path=str(root))
    manifest = build_manifest(name, cohort, root)
    rows = tqdm(manifest.to_dict("records"), desc=f"import {name}", unit="patient", disable=None)
    manifest["excluded"] = [row["excluded"] or _fault(row) for row in rows]
    return manifest, cohort


def _fault(row: dict[str, str]) -> str:
    """Return what is wrong with a session's files; empty if nothing is."""
    try:
        scans = {kind: read_volume(row[kind]) for kind in SEQUENCES if row[kind]}
        if row["seg"]:
            scans["seg"] = read_labels(row["seg"])
        on_one_grid(scans, row)
    except UserError as error:
        return one_line(error)
    return ""
