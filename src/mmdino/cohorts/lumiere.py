"""LUMIERE: ``Imaging/Patient-001/week-000-1/CT1.nii.gz``, whole heads in scanner space.

Which session is pre-operative stands only in ``LUMIERE-ExpertRating*.csv``, so that table is needed. Labels:
``LUMIERE-Demographics_Pathology*.csv``. The derived segmentations are not read: those in the atlas do not lie on the
native scans' grid.
"""

import re

from mmdino.cohorts.common.labels import label_sessions
from mmdino.cohorts.common.metadata import find_metadata, read_rows
from mmdino.cohorts.common.sessions import Layout, Scan, scan_layout
from mmdino.cohorts.common.tree import Tree
from mmdino.config import Labels
from mmdino.errors import UserError

LAYOUT = Layout(
    title="LUMIERE",
    stage="native",
    patients=91,
    subject=r"Patient-\d{3}",
    stamp=r"week-\d{3}(?:-\d+)?",
    name="{subject}/{stamp}/{kind}",
    kinds={"T1": "t1", "CT1": "t1c", "T2": "t2", "FLAIR": "flair"},
    key=r"Patient-(\d+)",
    family=r"Patient-\w",
)
RATING = r"LUMIERE-ExpertRating.*\.(csv|xlsx)"
RATING_COLUMNS = {"id": ("Patient",), "stamp": ("Date",), "rating": ("Rating",)}
TABLE = r"LUMIERE-Demographics_Pathology.*\.(csv|xlsx)"
COLUMNS = {"id": ("Patient",), "idh": ("IDH",)}


def scan(tree: Tree, rules: Labels) -> Scan:
    """Return the sessions with their labels; all but a patient's pre-operative one are excluded.

    Raises:
        UserError: sessions are there, and the expert ratings aren't.
    """
    found = scan_layout(tree, LAYOUT, _preoperative(tree))
    metadata = find_metadata(tree, TABLE, COLUMNS, LAYOUT.join_key)
    label_sessions(found, metadata, [LAYOUT.join_key(row["subject"]) for row in found.rows], rules)
    return found


def _preoperative(tree: Tree) -> dict[str, str]:
    """Return the stamp of the first session on disk that the experts call pre-operative, by subject.

    Who has none on disk gets the first that is rated so: it is what is missing.
    """
    ratings = tree.named(RATING)
    hits = [hit for path in tree.files if (hit := LAYOUT.match(path))]
    if not hits:
        return {}
    if not ratings:
        raise UserError(
            f"{tree.root}: LUMIERE-ExpertRating-v202211.csv is missing, and only it says which sessions are "
            "pre-operative; put it there"
        )
    rated: dict[str | None, list[str]] = {}
    for name, record in read_rows(ratings[-1], RATING_COLUMNS):
        if re.fullmatch(r"pre-?op(erative)?", record.values["rating"], re.IGNORECASE):
            rated.setdefault(LAYOUT.join_key(name), []).append(record.values["stamp"].casefold())
    there = {(LAYOUT.join_key(hit.subject), hit.stamp.casefold()) for hit in hits}
    found: dict[str, str] = {}
    for subject in {hit.subject for hit in hits}:
        key = LAYOUT.join_key(subject)
        stamps = rated.get(key, [])
        chosen = [stamp for stamp in stamps if (key, stamp) in there] or stamps
        if chosen:
            found[subject] = chosen[0]
    return found
