"""From scans found to patients used: how many are left after each step, and why the others are not."""

import re
from collections import Counter
from dataclasses import dataclass

import pandas as pd

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.tables import Table, number, text
from mmdino.reporting.text import count

LONGEST = 60  # letters of a reason
STEP = {"done": "kept", "excluded": "refused", "waiting": "waiting"}  # by status

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
    known = _with_steps(data)
    places = {step: known[known["step"] == step] for step in ("set_aside", "waiting", "failed", "refused", "kept")}
    used = data.used
    without = data.splits.drop(used.index)
    lines = []
    for name in data.study.study.cohorts:
        line = {step: int((rows["cohort"] == name).sum()) for step, rows in places.items()}
        mine = used[used["cohort"] == name]
        line["no_slices"] = int((without["cohort"] == name).sum())
        rest = line["kept"] - len(mine) - line["no_slices"] if len(data.splits) else 0
        line["again"] = max(0, rest)  # below 0: splits from before somebody was refused
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


def _with_steps(data: StudyFiles) -> pd.DataFrame:
    """Return the manifest's sessions with what preprocessing says of them, and at which step each stands."""
    place = ["cohort", "subject", "session"]
    said = data.preprocessed[[*place, "status", "reason"]]
    known = data.manifest[[*place, "excluded"]].merge(said, on=place, how="left")
    split = set(zip(data.splits["cohort"], data.splits["subject"]))
    # Of a table that is missing or from another version, the splits still tell who was kept.
    otherwise = ["done" if who in split else "waiting" for who in zip(known["cohort"], known["subject"])]
    status = known["status"].fillna(pd.Series(otherwise, known.index, dtype=object))
    known["step"] = status.map(lambda word: STEP.get(word, "failed")).mask(known["excluded"] != "", "set_aside")
    return known


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
