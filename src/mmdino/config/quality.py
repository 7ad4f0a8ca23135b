"""Quality control of preprocessing: from when a patient is flagged, what follows, and what a person decided."""

import csv
import difflib
import logging
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from mmdino.config.strict import Strict
from mmdino.errors import UserError

COLUMNS = ("cohort", "subject", "decision", "reason")
Decisions = dict[str, tuple[str, str]]
log = logging.getLogger(__name__)


class Quality(Strict):
    """``qc: warn``, ``qc: exclude``, or thresholds too (what is measured: docs/data-contracts.md)."""

    policy: Literal["exclude", "warn"] = Field(
        default="warn",
        description="exclude: flagged patients are left out; warn: they stay, and the report names them.",
    )
    decisions: str = Field(
        default="config/qc.tsv",
        description="A person's decisions, which win: columns cohort, subject, decision (exclude or keep), reason.",
    )
    brain_ml: tuple[float, float] = Field(
        default=(700, 2200), description="Volumes of a whole adult brain that are believed; slabs are not judged."
    )
    rough_dice: float = Field(
        default=0.85, description="Least overlap of the brain mask with deepbet's (on Colin27 the two agree by .98)."
    )
    atlas_dice: float = Field(default=0.75, description="Least overlap of the brain with the atlas's.")
    similarity: float = Field(
        default=0.03,
        description="Least similarity, also where a cohort is too small for `similarity_z` (1,104 unharmed phantoms had "
        ".065 and more; a bottle in a brain's place .004).",
    )
    similarity_z: float = Field(
        default=-4.0,
        lt=0,
        description="Least similarity (to the atlas; of the other sequences to the reference), in robust standard "
        "deviations from the median of cohort and stage.",
    )
    in_view: float = Field(default=0.95, description="Least share of the brain in every sequence's field of view.")
    flat_end: float = Field(
        default=0.4, description="Largest area of a brain's outermost slice, as a share of its largest slice's."
    )
    flip: float = Field(
        default=0.02, description="From how much better a mirrored sequence fits, it is called flipped."
    )
    tumour_outside: float = Field(default=0.1, description="Largest share of the tumour outside the brain.")
    sequence_margin: float = Field(
        default=-0.1, description="Below it, a sequence's fluid, grey and white matter are another sequence's."
    )
    enhancement: float = Field(
        default=-1.5,
        description="Below it (interquartile ranges of the healthy brain) the tumour is brighter in t1 than in t1c, and the "
        "two were exchanged; only a strongly enhancing tumour tells.",
    )
    alike: float = Field(default=0.999, description="Correlation from which two sequences are one and the same scan.")

    @model_validator(mode="before")
    @classmethod
    def _policy_alone(cls, value: Any) -> Any:
        return {"policy": value} if isinstance(value, str) else value


def read_decisions(path: Path | str, cohort: str) -> Decisions:
    """Return what a person decided on a cohort's subjects: (decision, reason) by subject; no file, no decision.

    Case does not count in the cohort's name.

    Raises:
        UserError: a column is missing, a decision is neither exclude nor keep, has no reason or no cohort, or is given twice.
    """
    found: Decisions = {}
    for number, row in _rows(Path(path)):
        where = f"{path}: line {number}: "
        if row["subject"] and not row["cohort"]:
            raise UserError(f"{where}no cohort is given for '{row['subject']}'; write it in front")
        if row["cohort"].casefold() != cohort.casefold():
            continue
        if row["decision"] not in ("exclude", "keep"):
            raise UserError(f"{where}decision is '{row['decision']}'; write exclude or keep")
        if not row["reason"]:
            raise UserError(
                f"{where}no reason is given for '{row['subject']}'; whoever reads the report will ask for it"
            )
        if row["subject"] in found:
            raise UserError(f"{where}'{row['subject']}' of {cohort} is decided on twice; keep one line")
        found[row["subject"]] = (row["decision"], row["reason"])
    return found


def require_known(path: Path | str, cohort: str, subjects: Collection[str], cohorts: Iterable[str]) -> None:
    """Refuse a decision on a subject of this cohort under a name that only looks like the cohort's.

    The file may serve several studies, so a name of none of this study's cohorts is no mistake by itself; one that names a
    subject of this cohort is logged, since the decision does not count here.

    Raises:
        UserError: such a decision is there, or the file is no table.
    """
    for number, row in _strays(path, cohorts):
        if row["subject"] not in subjects:
            continue
        said = f"{path}: line {number}: this study has no cohort '{row['cohort']}', and '{row['subject']}' is one of '{cohort}'"
        if _looks_like(row["cohort"], cohort):
            raise UserError(
                f"{said}; did you mean '{cohort}'? If the line is another study's, give that a file of its own (qc.decisions)"
            )
        log.warning("%s; the decision does not count here", said)


def decided(path: Path | str, cohort: str, cohorts: Iterable[str]) -> str:
    """Return, as text, all that the file says to this cohort, lines of :func:`require_known` included: a rule's params."""
    misspelt = [row for _, row in _strays(path, cohorts) if _looks_like(row["cohort"], cohort)]
    return str(read_decisions(path, cohort)) + (str(misspelt) if misspelt else "")


def _strays(path: Path | str, cohorts: Iterable[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of cohorts that the study does not have."""
    known = {"", *(name.casefold() for name in cohorts)}
    return [(number, row) for number, row in _rows(Path(path)) if row["cohort"].casefold() not in known]


def _looks_like(name: str, cohort: str) -> bool:
    return bool(difflib.get_close_matches(name.casefold(), [cohort.casefold()]))


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return the file's rows with the numbers of their lines; none if there is no file."""
    if not path.exists():
        return []
    try:
        with open(path, encoding="utf-8-sig", newline="") as opened:  # Excel puts a mark in front of UTF-8
            reader = csv.DictReader(opened, delimiter="\t")
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
            if missing:
                raise UserError(f"{path}: has no column {', '.join(missing)}; its tab-separated columns are {COLUMNS}")
            return [(reader.line_num, {name: (row[name] or "").strip() for name in COLUMNS}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a table ({error}); save it as tab-separated UTF-8 text") from None
