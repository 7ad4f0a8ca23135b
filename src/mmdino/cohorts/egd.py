"""Erasmus Glioma Database: ``MR_EGD-0001/2_T1GD/NIFTI/T1GD.nii.gz`` (XNAT) or ``SUBJECTS/EGD-0001/T1GD.nii.gz``.

In MNI space with skull, hence the stage. Labels: ``Genetic_and_Histological_labels.xlsx``, or each patient's
``metadata.json``; 0 and 1 stand for wildtype and mutant, intact and co-deleted; −1 is unknown. Age and sex stand in the
JSON alone.
"""

import json
from dataclasses import replace

from mmdino.cohorts.common.labels import label_sessions
from mmdino.cohorts.common.metadata import Metadata, Record, find_metadata
from mmdino.cohorts.common.people import HEADINGS
from mmdino.cohorts.common.sessions import Layout, Scan, scan_layout
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels

LAYOUT = Layout(
    title="EGD",
    stage="atlas-other-space",
    patients=774,
    subject=r"EGD-\d{4}",
    name="(?:MR_)?{subject}/(?:.*/)?{kind}",
    kinds={"T1": "t1", "T1GD": "t1c", "T2": "t2", "FLAIR": "flair", "MASK": "seg"},
    key=r"(?:MR_)?EGD-(\d+)",
    family=r"(MR_)?EGD-\d",
)
TABLE = r"Genetic_and_Histological_labels.*\.(xlsx|csv)"
COLUMNS = {"id": ("Subject",), "idh": ("IDH",), "1p19q": ("1p19q",), "grade": ("Grade",)}
WORDS = {
    "idh": {"0": "wildtype", "1": "mutant", "-1": "unknown"},
    "1p19q": {"0": "intact", "1": "codeleted", "-1": "unknown"},
    "grade": {"-1": "unknown"},
}


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return the sessions with their labels."""
    found = scan_layout(tree, LAYOUT)
    metadata, people = find_metadata(tree, TABLE, COLUMNS, LAYOUT.join_key), _from_json(tree)
    if metadata.path is None:
        metadata = people
    for key, record in metadata.records.items():
        told = people.records[key].told if key in people.records else record.told
        values = {name: _word(name, of) for name, of in record.values.items()}
        metadata.records[key] = replace(record, values=values, told=told)
    label_sessions(found, metadata, [LAYOUT.join_key(row["subject"]) for row in found.rows], rules)
    return found


def _word(column: str, value: str) -> str:
    number = value.removesuffix(".0")
    return WORDS[column].get(number, value)


def _from_json(tree: Tree) -> Metadata:
    """Read the patients' own ``metadata.json``; the folder's name says whose one is."""
    metadata = Metadata()
    for path in tree.named(r"metadata\.json"):
        key = LAYOUT.join_key(path.parent.name)
        if key is None:
            continue
        metadata.path = metadata.path or path
        try:
            whole = json.loads(path.read_text(encoding="utf-8"))
            labels, clinical = whole["Genetic_and_Histological_labels"], whole.get("Clinical_data", {})
            told = {name: str(clinical.get(name.title(), "")) for name in HEADINGS}
            raw = {column: str(labels[column]) for column in ("IDH", "1p19q", "Grade")}
        except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
            metadata.problems.append(
                f"{path}: gives no IDH, 1p19q and Grade ({type(error).__name__}: {error}); not read"
            )
            continue
        values = {column.lower(): value for column, value in raw.items()}
        metadata.records[key] = Record(values, f"{path.parent.name}/{path.name}", raw, told)
    return metadata
