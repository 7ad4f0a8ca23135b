"""UPENN-GBM: ``images_structural/UPENN-GBM-00001_11/UPENN-GBM-00001_11_T1GD.nii.gz``; ``_11`` is the pre-operative scan.

Segmentations by hand (``images_segm``) come before automatic ones (``automated_segm``). ``_unstripped`` twins are passed
over. Labels: ``UPENN-GBM_clinical_info*.csv``, a row a scan; it has no 1p/19q, so that mutants stay unlabelled.
"""

from mmdino.cohorts.common.labels import label_sessions
from mmdino.cohorts.common.metadata import find_metadata
from mmdino.cohorts.common.sessions import Layout, Scan, scan_layout
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels

LAYOUT = Layout(
    title="UPENN-GBM",
    stage="stripped",
    patients=611,
    subject=r"UPENN-GBM-\d{5}",
    stamp=r"\d\d",
    name="{subject}_{stamp}_{kind}",
    kinds={
        **{"T1": "t1", "T1GD": "t1c", "T2": "t2", "FLAIR": "flair"},
        **{"segm": "seg", "automated_approx_segm": "seg"},
    },
    baseline="11",
    key=r"UPENN-GBM-(\d+)_(\d\d)",
    family=r"UPENN-GBM-\d",
)
TABLE = r"(UPENN-GBM_)?clinical_info.*\.(csv|xlsx)"
COLUMNS = {"id": ("ID",), "idh": ("IDH1", "IDH")}


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return the sessions with their labels."""
    found = scan_layout(tree, LAYOUT)
    keys = [LAYOUT.join_key(f"{row['subject']}_{row['stamp']}") for row in found.rows]
    label_sessions(found, find_metadata(tree, TABLE, COLUMNS, LAYOUT.join_key), keys, rules)
    return found
