"""Quality control of preprocessing: from when a patient is flagged, what follows, and what a person decided."""

import csv
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from mmdino.config.strict import Strict
from mmdino.errors import UserError

COLUMNS = ("cohort", "subject", "decision", "reason")
Decisions = dict[str, tuple[str, str]]


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

    Raises:
        UserError: a column is missing, a decision is neither exclude nor keep, has no reason, or is given twice.
    """
    path = Path(path)
    if not path.exists():
        return {}
    found: Decisions = {}
    try:
        with open(path, encoding="utf-8", newline="") as opened:
            reader = csv.DictReader(opened, delimiter="\t")
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
            if missing:
                raise UserError(f"{path}: has no column {', '.join(missing)}; its tab-separated columns are {COLUMNS}")
            rows = [{name: (row[name] or "").strip() for name in COLUMNS} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a table ({error}); save it as tab-separated UTF-8 text") from None
    for number, row in enumerate(rows, start=2):
        if row["cohort"] != cohort:
            continue
        where = f"{path}: line {number}: "
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
