"""The label of a patient by WHO 2021, from what the cohorts' tables say.

========================  ====================  ====================================================================
IDH                       1p/19q                label
========================  ====================  ====================================================================
wildtype                  intact or unknown     glioblastoma (grade 2 or 3: ``labels.wildtype_low_grade``)
wildtype                  co-deleted            none: biologically impossible
mutant                    co-deleted            oligodendroglioma
mutant                    intact                astrocytoma (also where histology said glioblastoma: grade 4 now)
mutant                    relative co-deletion  ``labels.relative_codeletion``: by the diagnosis column, or as named
mutant                    unknown               by an integrated diagnosis, else ``labels.mutant_unknown_1p19q``
unknown                   any                   by an integrated diagnosis, else none
========================  ====================  ====================================================================

An *integrated diagnosis* names its markers itself (``Astrocytoma, IDH-mutant``; ``IDHmut-codel``). Where it contradicts
the markers' own columns, these count. A value that is none of the known ones is unknown, and the reason quotes it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdino.cohorts.common.metadata import Metadata, Record, tell_table
from mmdino.cohorts.common.sessions import Scan
from mmdino.config import Labels
from mmdino.errors import nearest
from mmdino.tables import CLASSES

ASTROCYTOMA, GLIOBLASTOMA, OLIGODENDROGLIOMA = CLASSES
UNKNOWN = re.compile(
    r"|-1(\.0)?|n/?a|nan|none|unknown|indeterminate|undetermined|not (available|applicable|determined|tested)|nos/nec",
    re.I,
)
IDH = {
    "wildtype": re.compile(r"(idh[- ]?)?(wild[- ]?type|wt)", re.I),
    "mutant": re.compile(r"(idh[- ]?)?(mutant|mutated)( \(nos\))?|idh[12]? ?p\..+|r1[37]2[a-z]\b.*", re.I),
}
CODELETION = {
    "codeleted": re.compile(r"co-?del(et(ed|ion))?|1p/?19q[- ]co-?deleted", re.I),
    "intact": re.compile(r"intact|non[- ]?co-?del(eted)?|not co-?deleted", re.I),
    "relative": re.compile(r"relative co-?deletion", re.I),
}
DIAGNOSES = {  # integrated diagnosis -> what it says of IDH and 1p/19q
    re.compile(r"glioblastoma,? idh[- ]?wild-?type|idh-?wt", re.I): ("wildtype", ""),
    re.compile(r"(diffuse )?astrocytoma,? idh[- ]?wild-?type", re.I): ("wildtype", ""),
    re.compile(r"astrocytoma,? idh[- ]?mutant|idhmut-non-codel", re.I): ("mutant", "intact"),
    re.compile(r"oligodendroglioma,? idh[- ]?mutant,?( and)? 1p/?19q[- ]co-?deleted|idhmut-codel", re.I): (
        "mutant",
        "codeleted",
    ),
}
LOW_GRADE = re.compile(r"(g|grade )?(2|3|ii|iii)(\.0)?", re.I)
LOW_GRADE_DIAGNOSIS = re.compile(r".*astrocytoma.*idh[- ]?wild-?type", re.I)


@dataclass(frozen=True)
class Verdict:
    """A label, or an empty one; and why."""

    label: str
    reason: str


def who2021(values: Mapping[str, str], rules: Labels) -> Verdict:
    """Return the WHO-2021 label (table above).

    Args:
        values: what a table says under ``idh``, ``1p19q``, ``diagnosis`` and ``grade``; any may be absent.
        rules: the ambiguous choices.
    """
    idh, doubt = _read(values.get("idh", ""), IDH, "IDH")
    codeletion, other_doubt = _read(values.get("1p19q", ""), CODELETION, "1p/19q")
    diagnosis = values.get("diagnosis", "")
    said_idh, said_codeletion = next((says for name, says in DIAGNOSES.items() if name.fullmatch(diagnosis)), ("", ""))
    if not idh and doubt:
        return Verdict("", doubt)
    idh = idh or said_idh
    if idh == "wildtype":
        if codeletion == "codeleted":
            return Verdict("", "IDH wildtype with a 1p/19q co-deletion is impossible")
        low = LOW_GRADE.fullmatch(values.get("grade", "")) or LOW_GRADE_DIAGNOSIS.fullmatch(diagnosis)
        if low and rules.wildtype_low_grade == "unlabelled":
            return Verdict("", "IDH wildtype of grade 2 or 3 (labels.wildtype_low_grade)")
        return Verdict(GLIOBLASTOMA, "IDH wildtype" + (" of grade 2 or 3 (labels.wildtype_low_grade)" if low else ""))
    if idh == "mutant":
        return _mutant(codeletion, said_codeletion, other_doubt, rules)
    return Verdict("", "IDH is unknown")


def _mutant(codeletion: str, said: str, doubt: str, rules: Labels) -> Verdict:
    why = "1p/19q"
    if codeletion == "relative":
        if rules.relative_codeletion == "unlabelled":
            return Verdict("", "relative co-deletion of 1p/19q (labels.relative_codeletion)")
        codeletion = said if rules.relative_codeletion == "diagnosis" else rules.relative_codeletion
        why = "relative co-deletion (labels.relative_codeletion):"
    elif not codeletion and said:
        codeletion, why = said, "by the diagnosis 1p/19q"
    if codeletion == "codeleted":
        return Verdict(OLIGODENDROGLIOMA, f"IDH mutant, {why} co-deleted")
    if codeletion == "intact":
        return Verdict(ASTROCYTOMA, f"IDH mutant, {why} intact")
    if rules.mutant_unknown_1p19q == "astrocytoma" and not doubt:
        return Verdict(ASTROCYTOMA, "IDH mutant, 1p/19q unknown (labels.mutant_unknown_1p19q)")
    return Verdict("", doubt or "IDH mutant, but 1p/19q is unknown")


def _read(text: str, known: Mapping[str, re.Pattern[str]], column: str) -> tuple[str, str]:
    """Return what a cell says, or an empty text and, where it says something that nobody knows, that doubt."""
    for meaning, pattern in known.items():
        if pattern.fullmatch(text):
            return meaning, ""
    return "", "" if UNKNOWN.fullmatch(text) else f"{column} is '{text}', which settles nothing"


def named_class(said: str, known: Mapping[str, str], row: Mapping[str, Any], where: str, problems: list[str]) -> str:
    """Return the class that a table names itself, or an empty text; what is neither known nor unknown is a problem.

    Args:
        said: what the table says of the patient.
        known: a table's words for the classes, in lower case.
        row: the patient's session.
        where: the table's row, ``file, row 12``.
        problems: added to.
    """
    if said.casefold() not in known and not UNKNOWN.fullmatch(said):
        told = f"{where}: the label of '{row['subject']}' is '{said}'{nearest(said.casefold(), known)}; "
        told += "mend it, or leave it empty; the patient is unlabelled"
        if told not in problems:  # by another session
            problems.append(told)
    return known.get(said.casefold(), "")


def label_sessions(scan: Scan, metadata: Metadata, keys: Iterable[str | None], rules: Labels) -> None:
    """Give each session age, sex, label and where that comes from, or why it has none; failed joins become problems.

    Args:
        scan: changed in place.
        metadata: the cohort's table.
        keys: the join key of each session, in order.
        rules: the ambiguous choices.
    """
    keys = list(keys)
    for row, key in zip(scan.rows, keys):
        record = metadata.records.get(key or "")
        row |= _label(record, metadata.path, rules) | (record.person if record else {})
    tell_table(scan, metadata, keys)


def _label(record: Record | None, table: Path | None, rules: Labels) -> dict[str, Any]:
    if table is None:
        return {"label": "", "label_source": "unlabelled: no metadata table lies in the cohort's folder"}
    if record is None:
        return {"label": "", "label_source": f"unlabelled: no row of {table.name} is this patient's"}
    verdict = who2021(record.values, rules)
    kind = "" if verdict.label else "unlabelled: "
    return {"label": verdict.label, "label_source": f"{kind}{verdict.reason} ({record.where}: {record.said()})"}
