"""The audit: every pair of patients that may be one, by what evidence, and what is done about it."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations

import pandas as pd

from mmdino.config import Leakage
from mmdino.leakage.fingerprint import Fingerprints
from mmdino.leakage.similarity import Pair, similar_pairs
from mmdino.tables import LEAKAGE, conform

Who = tuple[str, str]  # cohort, subject


def audit(manifests: pd.DataFrame, fingerprints: Fingerprints, settings: Leakage) -> pd.DataFrame:
    """Return the suspected pairs (``tables.LEAKAGE``), the surest first.

    ``evidence`` joins with ``+`` what speaks for a pair: crosswalk (the manifests name one patient), file, voxels (of any
    sequence, header ignored), similarity. ``action`` is ``join`` (one patient: counts once, on one side), ``review``
    (looks alike, but not enough) or ``keep`` (``settings.policy``: nothing is done). ``score`` and ``everywhere`` are the
    similarity's (``similarity.Pair``), or nothing where they were not found alike.
    """
    evidence: dict[tuple[Who, Who], dict[str, Pair | None]] = defaultdict(dict)
    usable = manifests[manifests["excluded"] == ""]
    for _, rows in usable[usable["patient"] != ""].groupby("patient"):
        _note(evidence, "crosswalk", sorted(set(zip(rows["cohort"], rows["subject"]))))
    people = list(zip(fingerprints.cohorts.tolist(), fingerprints.subjects.tolist()))
    for kind, hashes in (("file", fingerprints.files), ("voxels", fingerprints.voxels)):
        owners: dict[str, set[Who]] = defaultdict(set)
        for person, row in zip(people, hashes):
            for key in set(row.tolist()) - {""}:
                owners[key].add(person)
        for same in owners.values():
            _note(evidence, kind, sorted(same))
    for pair in similar_pairs(fingerprints.crops, settings.review_from):
        _note(evidence, "similarity", sorted((people[pair.first], people[pair.second])), pair)
    listed = [
        {
            **{"a_cohort": a[0], "a": a[1], "b_cohort": b[0], "b": b[1]},
            "evidence": "+".join(found),
            "score": alike.score if (alike := found.get("similarity")) else float("nan"),
            "everywhere": alike.everywhere if alike else float("nan"),
            "action": _action(found, settings),
        }
        for (a, b), found in evidence.items()
    ]
    table = pd.DataFrame(listed, columns=list(LEAKAGE.columns))
    table["_sure"] = table["evidence"] != "similarity"
    table = table.sort_values(
        ["_sure", "score", "a_cohort", "a", "b_cohort", "b"], ascending=[False, False] + [True] * 4
    )
    table = table.drop(columns="_sure")
    return conform(LEAKAGE, table, "leakage")


def _note(evidence: dict, kind: str, people: list[Who], pair: Pair | None = None) -> None:
    for a, b in combinations(people, 2):
        evidence[a, b][kind] = pair


def _action(found: dict[str, Pair | None], settings: Leakage) -> str:
    alike = found.get("similarity")
    if set(found) == {"similarity"} and alike is not None and not is_one(alike, settings):
        return "review"
    return "join" if settings.policy == "remove-from-train" else "keep"


def is_one(pair: Pair, settings: Leakage) -> bool:
    """Say whether two brains are so alike that they are taken for one, with no other evidence."""
    return pair.score >= settings.join_from and pair.everywhere >= settings.join_everywhere


def summary(table: pd.DataFrame) -> Iterable[str]:
    """Return sentences for the log."""
    yield f"{len(table)} pairs: " + (
        ", ".join(f"{n} {action}" for action, n in table["action"].value_counts().items()) or "none"
    )
    for evidence, count in table["evidence"].value_counts().items():
        yield f"by {evidence}: {count}"
