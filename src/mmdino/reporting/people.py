"""Who the patients are: which sequences they have, by cohort and class, and who may be in the study twice."""

from typing import Any

import pandas as pd

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.tables import Column, Table, number, text
from mmdino.reporting.text import NONE, count
from mmdino.tables import CLASSES, LEAKAGE, SEQUENCES, sequence_set

PLACES = ["cohort", "subject"]


def sequence_table(data: StudyFiles) -> Table:
    """Return, by cohort and class, how many of the patients used have each sequence, and the sets that lack one."""
    done = data.preprocessed[data.preprocessed["status"] == "done"].drop_duplicates(PLACES)
    used = data.used.merge(done[[*PLACES, *SEQUENCES]], on=PLACES)
    lines: list[dict[str, Any]] = []
    for name in data.study.study.cohorts:
        for label in (*CLASSES, ""):
            mine = used[(used["cohort"] == name) & (used["label"] == label)]
            if len(mine):
                lines.append({"cohort": name, "label": label or "no label", "patients": len(mine), **_present(mine)})
    return Table(
        name="sequences",
        title=data.titled("Sequences at hand, by cohort and class"),
        frame=pd.DataFrame(lines, columns=["cohort", "label", "patients", *SEQUENCES, "whole", "others"]),
        columns=[
            text("Cohort", "cohort"),
            text("Class", "label"),
            number("Patients", "patients", count),
            *(number(name, name, count, help=f"patients who have {name}") for name in SEQUENCES),
            number("All four", "whole", count),
            text("Sets that lack one", "others"),
        ],
        source=f"{data.source('cohorts', '*', 'preprocessed.tsv')}; {data.source('splits.tsv')}",
        note="Among the patients used; labels that training does not see are counted too.",
    )


def _present(patients: pd.DataFrame) -> dict[str, Any]:
    there = {name: patients[name] != "" for name in SEQUENCES}
    sets = pd.Series([sequence_set(name for name in SEQUENCES if row[name]) for row in patients.to_dict("records")])
    lacking = sets[sets != sequence_set(SEQUENCES)].value_counts()
    return {
        **{name: int(has.sum()) for name, has in there.items()},
        "whole": len(sets) - int(lacking.sum()),
        "others": ", ".join(f"{names}: {n}" for names, n in lacking.items()) or NONE,
    }


def leakage_table(data: StudyFiles) -> Table:
    """Return the pairs of patients who may be one, counted by cohorts, evidence and what was done."""
    pairs = data.leakage if data.leakage is not None else pd.DataFrame(columns=list(LEAKAGE.columns))
    cohorts = [a if a == b else f"{a} and {b}" for a, b in zip(pairs["a_cohort"], pairs["b_cohort"])]
    counted = pairs.assign(cohorts=cohorts).groupby(["cohorts", "evidence", "action"])["score"].agg(["size", "max"])
    frame = counted.reset_index().rename(columns={"size": "pairs", "max": "score"})
    return Table(
        name="leakage",
        title=data.titled("Patients who may be in the study twice"),
        frame=frame,
        columns=[
            text("Cohorts", "cohorts", help="of the two; one: both are in it"),
            Column("Evidence", lambda row: str(row["evidence"]).replace("+", ", "), number=False),
            text(
                "Action", "action", help="join: one patient, on one side; review: a person should look; keep: nothing"
            ),
            number("Pairs", "pairs", count),
            number(
                "Highest similarity",
                "score",
                lambda value: NONE if pd.isna(value) else f"{value:.1f}",
                help="standard deviations above that of strangers",
            ),
        ],
        source=data.source("leakage.tsv"),
        note="Pairs for review are shown side by side in `leakage.html`.",
    )


def leakage_said(data: StudyFiles) -> str:
    """Return the audit's outcome in a sentence."""
    settings = data.study.study.leakage
    if data.leakage is None:
        why = (
            "has not run yet"
            if settings.audit
            else "is off (`leakage.audit`); only crosswalks and equal ids join patients"
        )
        return f"The audit for patients who are in the study twice {why}."
    actions = data.leakage["action"].value_counts()
    found = ", ".join(f"{n:,} {action}" for action, n in actions.items()) or "none"
    sides = "a joined patient is on one side of the splits" if settings.policy != "keep" else "nobody is joined"
    return f"All patients were compared: {len(data.leakage):,} suspected pairs ({found}); {sides}."
