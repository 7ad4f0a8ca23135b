"""UCSF-PDGM, any version: ``UCSF-PDGM-0004_nifti/UCSF-PDGM-0004_T1c.nii.gz``; the ``_bias`` twins are passed over.

Version 3 made six patients into follow-ups (``_FU007d``) of others; both numberings name one ``patient`` here.
In FLAIR's space, stripped. Labels: ``UCSF-PDGM-metadata*.csv``, whose ids have three digits where folders have four.
"""

import re

from mmdino.cohorts.common.labels import label_sessions
from mmdino.cohorts.common.metadata import find_metadata
from mmdino.cohorts.common.sessions import Layout, Scan, scan_layout
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels

LAYOUT = Layout(
    title="UCSF-PDGM",
    stage="stripped-other-space",
    patients=501,
    subject=r"UCSF-PDGM-\d{3,4}",
    stamp=r"FU\d+d",
    name="{subject}(?:_{stamp})?_{kind}",
    kinds={"T1": "t1", "T1c": "t1c", "T2": "t2", "FLAIR": "flair", "tumor_segmentation": "seg"},
    baseline="",
    key=r"UCSF-PDGM-(\d+)(?:_(FU\d+d))?",
    family=r"UCSF-PDGM-\d",
)
TABLE = r"UCSF-PDGM-metadata.*\.(csv|xlsx)"
COLUMNS = {
    "id": ("ID",),
    "idh": ("IDH", "IDH status"),
    "1p19q": ("1p/19q", "1p/19q status"),
    "diagnosis": ("Final pathologic diagnosis (WHO 2021)",),
    "grade": ("WHO CNS Grade", "WHO Grade"),
}
RENUMBERED = {315: 433, 278: 431, 175: 396, 138: 429, 181: 409, 289: 391}  # before version 3 -> the patient since


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return the sessions with their labels."""
    found = scan_layout(tree, LAYOUT)
    for row in found.rows:
        row["patient"] = identity(row["subject"])
    keys = [
        LAYOUT.join_key(f"{row['subject']}_{row['stamp']}" if row["stamp"] else row["subject"]) for row in found.rows
    ]
    label_sessions(found, find_metadata(tree, TABLE, COLUMNS, LAYOUT.join_key), keys, rules)
    return found


def identity(name: str) -> str:
    """Return a patient's id in the current numbering, from an old or a new id, or its bare number; empty if it is none."""
    number = re.search(r"(?:^|-)(\d{1,4})(?:_|$)", name)
    return f"UCSF-PDGM-{RENUMBERED.get(int(number[1]), int(number[1])):04d}" if number else ""
