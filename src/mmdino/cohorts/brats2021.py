"""BraTS 2021, 2020 and 2023 (GLI): ``BraTS2021_00000_t1ce.nii.gz``, ``BraTS20_Training_001_t1ce.nii``,
``BraTS-GLI-00000-000-t1c.nii.gz``, in folders of any depth. No labels.

``BraTS2021_MappingToTCIA.xlsx`` (or saved as ``.csv``) and BraTS 2020's ``name_mapping*.csv``, where they lie in the folder,
say who a patient is in UCSF-PDGM, UPENN-GBM and TCGA (``patient``), so that a copy is known as such.
"""

import re

from mmdino.cohorts.common.metadata import find_metadata
from mmdino.cohorts.common.sessions import Layout, Scan, scan_layout
from mmdino.cohorts.common.tree import Tree
from mmdino.cohorts.ucsf_pdgm import identity as ucsf_identity
from mmdino.config import Labels

LAYOUT = Layout(
    title="BraTS2021",
    stage="stripped",
    patients=1470,
    subject=r"BraTS2021_\d{5}|BraTS20_(?:Training|Validation)_\d{3}|BraTS-GLI-\d{5}",
    stamp=r"\d{3}",
    name="{subject}(?:-{stamp})?[_-]{kind}",
    kinds={
        **{"t1": "t1", "t1ce": "t1c", "t2": "t2", "flair": "flair", "seg": "seg"},
        **{"t1n": "t1", "t1c": "t1c", "t2w": "t2", "t2f": "flair"},
    },
    baseline="|000",
    key=r"(BraTS2021_\d{5}|BraTS20_(?:Training|Validation)_\d{3}|BraTS-GLI-\d{5})",
    family=r"BraTS2021_\d|BraTS20_(Training|Validation)_\d|BraTS-GLI-\d",
)
MAPPINGS: dict[
    str, dict[str, tuple[str, ...]]
] = {  # file -> its columns: BraTS id, and the id in the source collection
    r"BraTS2021_MappingToTCIA.*\.(xlsx|csv)": {
        "id": ("BraTS2021 ID",),
        "source": ("PatientID on TCIA Radiology Portal",),
        "collection": ("Data Collection (as on TCIA+additional)",),
    },
    r"name_mapping.*\.csv": {
        "id": ("BraTS_2020_subject_ID", "BraTS 2020 subject ID"),
        "source": ("TCGA_TCIA_subject_ID", "TCGA/TCIA subject ID"),
    },
}


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return the sessions; ``patient`` is the id in the source collection where a crosswalk is there."""
    found = scan_layout(tree, LAYOUT)
    crosswalks = [find_metadata(tree, file, columns, LAYOUT.join_key, every=True) for file, columns in MAPPINGS.items()]
    for mapping in crosswalks:
        found.problems += mapping.problems
        for row in found.rows:
            record = mapping.records.get(LAYOUT.join_key(row["subject"]) or "")
            if record:
                row["patient"] = source_identity(record.values["source"], record.values.get("collection", ""))
    if found.rows and not any(mapping.path for mapping in crosswalks):
        found.problems.append(
            f"{tree.root}: no crosswalk lies here, so nobody knows who of these are patients of TCGA, UPENN-GBM or "
            "UCSF-PDGM, whom other cohorts may have too; put BraTS2021_MappingToTCIA.xlsx (BraTS 2020: "
            "name_mapping.csv) here"
        )
    for row in found.rows:
        row["label_source"] = "unlabelled: BraTS gives neither IDH nor 1p/19q"
    return found


def source_identity(name: str, collection: str) -> str:
    """Return a patient's id in its own cohort's adapter; empty where the crosswalk does not say who it is."""
    if "UCSF" in f"{collection} {name}".upper():
        return ucsf_identity(name)
    for pattern in (r"(UPENN-GBM-\d{5})(?:_\d\d)?", r"(TCGA-\w\w-\w{4})[A-Z]?", r"(\w+-\w+-\w+)"):
        found = re.fullmatch(pattern, name, re.IGNORECASE)
        if found and "new-not" not in name.lower():
            return found[1].upper()
    return ""
