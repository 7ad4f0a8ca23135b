"""From scans found to patients used: how many are left after each step, and why the others are not."""

import re
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.tables import Table, number, text
from mmdino.reporting.text import count

LONGEST = 60  # letters of a reason

# Column of the table: its head, and what it counts.
COUNTS = {
    "found": ("Found", "sessions on disk"),
    "set_aside": ("Set aside", "sessions that the manifest excludes"),
    "waiting": ("Waiting", "sessions that are not preprocessed yet"),
    "failed": ("Failed", "sessions that could not be read or preprocessed"),
    "preprocessed": ("Pre-processed", "found, less set aside, waiting and failed"),
    "refused": ("Refused", "sessions that quality control or a person leaves out"),
    "kept": ("Kept", "preprocessed, less refused"),
    "again": ("Again", "further sessions or copies of a patient, or patients in none of the study's lists"),
    "no_slices": ("No slices", "patients of whom no slice could be cut"),
    "used": ("Used", "patients: kept, less again and no slices"),
    "train_labelled": ("Train, labelled", "training patients whose label is seen"),
    "train_unlabelled": ("Train, unlabelled", "training patients whose label is unknown or hidden"),
    "val": ("Val.", "validation patients"),
    "test": ("Test", "external test patients"),
}


@dataclass(frozen=True)
class Flow:
    """A row a cohort, with the columns ``COUNTS``; and why sessions are lost, by column."""

    frame: pd.DataFrame
    reasons: dict[str, Counter[str]]

    def total(self, column: str) -> int:
        """Return a column's sum over all cohorts."""
        return int(self.frame[column].sum())


def flow(data: StudyFiles) -> Flow:
    """Count a study's sessions and patients after each step; steps that were not taken yet count nobody."""
    columns = ["cohort", "subject", "session"]
    known = data.manifest[[*columns, "excluded"]].merge(
        data.preprocessed[[*columns, "status", "reason"]], on=columns, how="left"
    )
    known["step"] = [_step(*row) for row in known[["excluded", "status", "reason"]].itertuples(index=False)]
    places = {step: known[known["step"] == step] for step in ("set_aside", "waiting", "failed", "refused", "kept")}
    used = data.used
    without = data.splits.drop(used.index)
    lines = []
    for name in data.study.study.cohorts:
        line = {step: int((rows["cohort"] == name).sum()) for step, rows in places.items()}
        mine = used[used["cohort"] == name]
        line["no_slices"] = int((without["cohort"] == name).sum())
        line["again"] = line["kept"] - len(mine) - line["no_slices"] if line["kept"] and len(data.splits) else 0
        train, labelled = mine["split"] == "train", mine["labelled"].astype(bool)
        line |= {
            "found": int((known["cohort"] == name).sum()),
            "preprocessed": line["refused"] + line["kept"],
            "used": len(mine),
            "train_labelled": int((train & labelled).sum()),
            "train_unlabelled": int((train & ~labelled).sum()),
            "val": int((mine["split"] == "val").sum()),
            "test": int((mine["split"] == "test").sum()),
        }
        lines.append({"cohort": name, **{column: line[column] for column in COUNTS}})
    reasons = {
        "set_aside": Counter(map(short, places["set_aside"]["excluded"])),
        "waiting": Counter(),
        "failed": Counter(map(short, places["failed"]["reason"])),
        "refused": Counter(map(short, places["refused"]["reason"])),
        "again": Counter(),
        "no_slices": Counter(map(short, without.merge(data.left_out, on=["cohort", "subject"])["reason"])),
    }
    return Flow(pd.DataFrame(lines, columns=["cohort", *COUNTS]), reasons)


def _step(excluded: str, status: str | float, reason: str) -> str:
    if excluded:
        return "set_aside"
    if not isinstance(status, str):
        return "waiting"
    return {"done": "kept", "excluded": "refused"}.get(status, "failed")


def short(reason: str) -> str:
    """Return a reason without what differs from patient to patient: paths, figures, what is in brackets, the remedy.

    ``raw/p1_t2.nii.gz: is truncated or damaged (…); download it again`` becomes ``is truncated or damaged``.
    """
    said = re.sub(r"^(excluded|quality control): ", "", reason)
    said = re.sub(r"^\S*[/.]\S*: ", "", said)
    said = re.split(r" \(|; ", said)[0]
    said = re.sub(r"(?<!\w)[−+-]?\d[\d.,]*%?(?!\w)", "…", said)
    return said if len(said) <= LONGEST else f"{said[: LONGEST - 1]}…"


def flow_table(data: StudyFiles) -> Table:
    """Return a row a cohort, and one of all."""
    frame = flow(data).frame
    everybody = {"cohort": "all", **{column: int(frame[column].sum()) for column in COUNTS}}
    return Table(
        name="flow",
        title=data.titled("From sessions found to patients used"),
        frame=pd.concat([frame, pd.DataFrame([everybody])], ignore_index=True),
        columns=[
            text("Cohort", "cohort"),
            *(number(head, column, count, help=said) for column, (head, said) in COUNTS.items()),
        ],
        source=f"{data.source('cohorts', '*', 'manifest.tsv')}, preprocessed.tsv, slices/failures.tsv; splits.tsv",
        emphasised="all",
    )
