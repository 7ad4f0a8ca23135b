"""Quality control in tables: what is usual in each cohort, and everybody who is flagged."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from mmdino.config.quality import Quality
from mmdino.preprocess.quality import flags
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.tables import Column, Table, number, text
from mmdino.reporting.text import NONE, count
from mmdino.tables import QUALITY

LOW, HIGH = 0.05, 0.95  # quantiles that a cohort's row tells


@dataclass(frozen=True)
class Measure:
    """A column of ``tables.PREPROCESSED`` that is judged.

    Attributes:
        column: its name.
        label: what it is, with its unit.
        head: the same in the head of a table.
        limits: from the thresholds, the values beyond which a patient is flagged.
        check: the flag.
        digits: after the point.
    """

    column: str
    label: str
    head: str
    limits: Callable[[Quality], tuple[float, ...]]
    check: Callable[[flags.Row, Quality], str]
    digits: int = 2

    def flagged(self, patients: pd.DataFrame, qc: Quality) -> list[bool]:
        """Return who is flagged by this measure."""
        measures = patients[["brain_ml", "similarity_z", *QUALITY]]
        rows: list[dict[str, Any]] = measures.to_dict("records")  # type: ignore[assignment]
        return [bool(self.check(row, qc)) for row in rows]

    def show(self, value: float) -> str:
        """Return a value as the tables write it."""
        if pd.isna(value):
            return NONE
        return count(value) if self.digits == 0 else f"{value:z.{self.digits}f}".replace("-", "−")


MEASURES = (
    Measure("brain_ml", "Brain volume, ml", "Brain, ml", lambda qc: qc.brain_ml, flags.brain_volume, 0),
    Measure("rough_dice", "Dice with the rough mask", "Rough Dice", lambda qc: (qc.rough_dice,), flags.brain_masks),
    Measure("atlas_dice", "Dice with the atlas", "Atlas Dice", lambda qc: (qc.atlas_dice,), flags.place),
    Measure(
        "similarity_z", "Similarity, robust z", "Similarity, z", lambda qc: (qc.similarity_z,), flags.similarity, 1
    ),
    Measure("sequence_margin", "Margin of sequences", "Margin", lambda qc: (qc.sequence_margin,), flags.mixed_up),
    Measure(
        "enhancement", "T1 to T1c, gain in IQR", "Gain, IQR", lambda qc: (qc.enhancement,), flags.contrast_agent, 1
    ),
)


def judged(data: StudyFiles) -> pd.DataFrame:
    """Return the patients who were measured: all that were preprocessed, those whom quality control leaves out too."""
    return data.preprocessed[data.preprocessed["status"].isin(("done", "excluded"))]


def quality_table(data: StudyFiles) -> Table:
    """Return a row a cohort: how many were judged, flagged and left out; median and middle 90 % of each measure."""
    patients = judged(data)
    lines: list[dict[str, Any]] = []
    for name in data.study.study.cohorts:
        mine = patients[patients["cohort"] == name]
        line: dict[str, Any] = {"cohort": name, "judged": len(mine), "flagged": int((mine["flags"] != "").sum())}
        line["refused"] = int((mine["status"] == "excluded").sum())
        for measure in MEASURES:
            values = mine[measure.column].astype(float)
            line[f"{measure.column}_n"] = int(values.notna().sum())
            line[measure.column] = values.median()
            line[f"{measure.column}_low"], line[f"{measure.column}_high"] = values.quantile([LOW, HIGH])
        lines.append(line)
    return Table(
        name="quality",
        title=data.titled("Quality control by cohort"),
        frame=pd.DataFrame(lines),
        columns=[
            text("Cohort", "cohort"),
            number("Judged", "judged", count, help="sessions that were preprocessed"),
            number("Flagged", "flagged", count),
            number("Left out", "refused", count, help="by quality control or a person"),
            *(Column(m.head, _usual(m), m.column, help=m.label) for m in MEASURES),
        ],
        source=data.source("cohorts", "*", "preprocessed.tsv"),
        note="Median and, in brackets, the middle 90 % of the sessions that could be measured.",
    )


def _usual(measure: Measure) -> Callable[[dict[str, Any]], str]:
    def show(row: dict[str, Any]) -> str:
        if pd.isna(row[measure.column]):
            return NONE
        low, high = (measure.show(row[f"{measure.column}_{end}"]) for end in ("low", "high"))
        return f"{measure.show(row[measure.column])} [{low},\u00a0{high}]"

    return show


def flagged_table(data: StudyFiles) -> Table:
    """Return everybody who is flagged or decided on, with the values that are judged."""
    patients = judged(data)
    told = patients[(patients["flags"] != "") | (patients["decision"] != "")]
    kept = ["subject", "session", "cohort", "status", "flags", "decision", *(measure.column for measure in MEASURES)]
    return Table(
        name="flagged",
        title=data.titled("Outliers: who is flagged by quality control, and what was decided"),
        frame=told[kept].sort_values(["cohort", "subject", "session"], ignore_index=True),
        columns=[
            text("Patient", "subject"),
            text("Cohort", "cohort"),
            text("Flags", "flags"),
            Column("Goes on", lambda row: "yes" if row["status"] == "done" else "no", number=False),
            text("Decision", "decision"),
            *(number(m.head, m.column, m.show, help=m.label) for m in MEASURES),
        ],
        source=data.source("cohorts", "*", "preprocessed.tsv"),
        note="A person's word is given in `config/qc.tsv` and wins; `mmdino qc` judges again.",
    )
