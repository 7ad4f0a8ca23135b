"""TCGA-GBM and TCGA-LGG, the pre-operative NIfTI sets: ``TCGA-02-0006_1996.08.23_t1Gd.nii.gz``.

The manually corrected segmentation comes before the automatic one. Labels: Ceccarelli 2016's ``mmc2.xlsx``; where a
marker's own column is empty, its column ``IDH/codel subtype`` counts.
"""

from mmdino.cohorts.common.labels import label_sessions
from mmdino.cohorts.common.metadata import find_metadata
from mmdino.cohorts.common.sessions import Layout, Scan, scan_layout
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels

LAYOUT = Layout(
    title="TCGA-GBM and TCGA-LGG",
    stage="stripped",
    patients=243,
    subject=r"TCGA-\w\w-\w{4}[A-Z]?",
    stamp=r"\d{4}\.\d\d\.\d\d",
    name="{subject}_{stamp}_{kind}",
    kinds={
        **{"t1": "t1", "t1Gd": "t1c", "t2": "t2", "flair": "flair"},
        **{"GlistrBoost_ManuallyCorrected": "seg", "GlistrBoost": "seg"},
    },
    key=r"TCGA-(\w\w)-(\w{4})[A-Z]?",
    family=r"TCGA-\w\w-\w",
)
TABLE = r".*mmc2.*\.(xlsx|csv)"
COLUMNS = {
    "id": ("Case", "Patient ID"),
    "idh": ("IDH status",),
    "1p19q": ("1p/19q codeletion",),
    "diagnosis": ("IDH/codel subtype",),
    "grade": ("Grade",),
}


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return the sessions with their labels; a patient's first scan is the one that counts."""
    found = scan_layout(tree, LAYOUT)
    for row in found.rows:
        row["patient"] = row["subject"].upper()[: len("TCGA-02-0006")]
    keys = [LAYOUT.join_key(row["subject"]) for row in found.rows]
    label_sessions(found, find_metadata(tree, TABLE, COLUMNS, LAYOUT.join_key), keys, rules)
    return found
