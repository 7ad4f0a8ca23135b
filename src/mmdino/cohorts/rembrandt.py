"""REMBRANDT as processed by CBICA: ``HF1702_1999.08.05/HF1702_1999.08.05_t1ce_LPS_rSRI.nii.gz``. No labels are used."""

from mmdino.cohorts.common.sessions import Layout, Scan, scan_layout
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels

LAYOUT = Layout(
    title="REMBRANDT",
    stage="atlas",
    patients=64,
    subject=r"HF\d{4}|\d{3}-\d\d-\d{4}",
    stamp=r"\d{4}\.\d\d\.\d\d",
    name="{subject}_{stamp}_{kind}",
    kinds={
        **{
            f"{word}_LPS_rSRI": kind for word, kind in {"t1": "t1", "t1ce": "t1c", "t2": "t2", "flair": "flair"}.items()
        },
        **{"GlistrBoost_out": "seg", "GlistrBoost_out-labels": "seg"},
    },
    key=r"(HF\d{4}|\d{3}-\d\d-\d{4})",
    family=r"HF\d|\d{3}-\d\d-\d",
)


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return the sessions; a patient's first is the pre-operative one."""
    found = scan_layout(tree, LAYOUT)
    for row in found.rows:
        row["label_source"] = "unlabelled: REMBRANDT's labels are not used"
    return found
