"""What patients' measures mean beside those of their cohort, and what follows: a flag, an exclusion, a person's word."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from mmdino.config import Study
from mmdino.config.chosen import command
from mmdino.config.quality import Decisions, Quality, read_decisions, require_known
from mmdino.errors import UserError, nearest
from mmdino.preprocess.quality.flags import flags
from mmdino.tables import PREPROCESSED, SEQUENCES, read_table

LEAST_PATIENTS = 8  # below this a cohort has no usual similarity
LEAST_SPREAD = 0.1  # of the median: the spread of a few patients is itself uncertain
TO_SIGMA = 1.4826  # median absolute deviation to standard deviation of a normal distribution


def gather_cohort(shards: Sequence[Path], manifest: pd.DataFrame, study: Study, cohort: str) -> pd.DataFrame:
    """Return the shards' tables of one of a study's cohorts as one, judged.

    Raises:
        UserError: their sessions are not those of the manifest, or a decision is about a subject whom the cohort does
            not have.
    """
    joined = pd.concat([read_table(PREPROCESSED, shard) for shard in shards], ignore_index=True)
    _require_sessions(joined, manifest, shards[0].parent, study.name)
    decisions = read_decisions(study.qc.decisions, cohort)
    require_known(study.qc.decisions, cohort, set(joined["subject"]), study.cohorts)
    return judge(joined.sort_values(["subject", "session"], ignore_index=True), study.qc, decisions, cohort)


def _require_sessions(joined: pd.DataFrame, manifest: pd.DataFrame, folder: Path, study: str) -> None:
    """Refuse tables of another division into shards: patients would be lost, or stand there twice."""
    there, asked = (sorted(zip(table["subject"], table["session"])) for table in (joined, manifest))
    if there != asked:
        lost = sorted(set(asked) - set(there))
        raise UserError(
            f"{folder}: the shards' tables hold {len(there)} sessions, and the manifest lists {len(asked)}"
            f"{f', {len(lost)} of which they lack (such as {lost[0][0]})' if lost else ''}: they are of another number "
            f"of `shards`, or of another manifest; make them again with `{command(study, '--forcerun preprocess_shard')}` "
            "(who is done is not done again)"
        )


def judge(preprocessed: pd.DataFrame, qc: Quality, decisions: Decisions, cohort: str) -> pd.DataFrame:
    """Return one cohort's ``tables.PREPROCESSED`` with z-scores, flags, decisions, and a status that follows from them.

    Judging again, with other thresholds or decisions, starts from the measures: it needs no scan.

    Raises:
        UserError: a decision is about a subject whom the cohort does not have.
    """
    for subject in decisions:
        if subject not in set(preprocessed["subject"]):
            hint = nearest(subject, preprocessed["subject"])
            raise UserError(f"{qc.decisions}: cohort {cohort} has no subject '{subject}'{hint}")
    judged = preprocessed.copy()
    done = judged["status"] == "done"
    judged["similarity_z"] = _similarity_z(judged[done]).reindex(judged.index).round(3)
    for index in judged.index[done]:
        said = "; ".join(flags(judged.loc[index].to_dict(), qc))
        decision, why = decisions.get(str(judged.at[index, "subject"]), ("", ""))
        judged.at[index, "flags"] = said
        if decision:
            judged.at[index, "decision"] = f"{decision}: {why}"
        if decision == "exclude":
            judged.loc[index, ["status", "reason"]] = ["excluded", f"{qc.decisions}: {why}"]
        elif said and qc.policy == "exclude" and decision != "keep":
            judged.loc[index, ["status", "reason"]] = ["excluded", f"quality control: {said}"]
    return judged


def _similarity_z(done: pd.DataFrame) -> pd.Series:
    """Return each patient's lowest robust z of the sequences' similarities, within its stage."""
    columns = [f"similarity_{name}" for name in SEQUENCES]
    by_stage = [_robust_z(rows[columns]).min(axis=1) for _, rows in done.groupby("stage")]
    return pd.concat(by_stage) if by_stage else pd.Series(dtype=float)


def _robust_z(values: pd.DataFrame) -> pd.DataFrame:
    """Return (x − median) / (1.4826 MAD) by column (Iglewicz and Hoaglin 1993); NaN where patients are too few."""
    median = values.median()
    away = values - median
    spread = (TO_SIGMA * away.abs().median()).clip(lower=LEAST_SPREAD * median)
    usual = values.columns[values.notna().sum() >= LEAST_PATIENTS]
    return (away / spread)[usual].reindex(columns=values.columns)


def said(judged: pd.DataFrame, cohort: str) -> list[str]:
    """Return the outcome in lines: how many passed, and everybody flagged, decided on or left out."""
    told = judged[(judged["flags"] != "") | (judged["decision"] != "") | (judged["status"] != "done")]
    lines = [f"{cohort}: {len(judged)} patients, {len(judged) - len(told)} pass"]
    for row in told.to_dict("records"):
        words = [row["flags"], row["decision"], row["reason"] if row["status"] == "failed" else ""]
        lines.append(f"  {row['status']:8} {row['subject']}: {'; '.join(word for word in words if word)}")
    return lines
