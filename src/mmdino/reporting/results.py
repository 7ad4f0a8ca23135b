"""Tables of results: the main one, read-outs, missing sequences."""

from typing import Any

import numpy as np
import pandas as pd

from mmdino.evaluation.compare import Estimate, arm_mcc
from mmdino.evaluation.predictions import select
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import Cell, MainRow, ceiling, majority
from mmdino.reporting.tables import Column, Table, number, text
from mmdino.reporting.text import NONE, count, duration, p_value, score, span

NAN = float("nan")


def _parts(name: str, estimate: Estimate | None) -> dict[str, float]:
    if estimate is None:
        return {name: NAN, f"{name}_low": NAN, f"{name}_high": NAN}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def _interval(name: str, signed: bool = False) -> Any:
    """Return what shows a value and its interval from a row."""

    def show(row: dict[str, Any]) -> str:
        if np.isnan(row[name]):
            return NONE
        interval = "" if np.isnan(row[f"{name}_low"]) else f" {span(row[f'{name}_low'], row[f'{name}_high'], signed)}"
        return score(row[name], signed) + interval

    return show


def main_table(data: StudyFiles, rows: list[MainRow]) -> Table:
    """Return every arm on the external test, best first, between ceiling and floor."""
    lines = [_main_line(row) for row in sorted(rows, key=lambda row: -(row.mcc.value if row.mcc else -2))]
    bound, floor = ceiling(data), majority(data)
    if bound:
        top = {"mcc": bound["mcc"], "mcc_low": bound.get("low", NAN), "mcc_high": bound.get("high", NAN)}
        lines.insert(
            0, {"experiment": "", "arm": "Sign oracle (ceiling)", "readout": NONE, "n": bound.get("n", NAN), **top}
        )
    if floor:
        lines.append({"experiment": "", "arm": f"Always {floor[0]} (floor)", "readout": NONE, **floor[1]})
    names = ["experiment", "arm", "readout", "n", "runs", "planned", "mcc", "mcc_low", "mcc_high", "mcc_deviation"]
    names += ["balanced_accuracy", "auroc", "f1", "difference", "difference_low", "difference_high", "p", "cpu_seconds"]
    frame = pd.DataFrame(lines, columns=[*names, "state"]).fillna({"state": "", "runs": 0, "planned": 0})
    reference = data.reference.title if data.reference else data.study.study.reference
    several = max((len(arm.runs) for arm in data.arms), default=1) > 1
    columns = [
        text("Arm", "arm"),
        Column("MCC [95 %]", lambda row: row["state"] or _interval("mcc")(row), "mcc"),
        number("± seeds", "mcc_deviation", score, help="standard deviation between seeds") if several else None,
        number("Bal. acc.", "balanced_accuracy", score, help="balanced accuracy"),
        number("AUROC", "auroc", score, help="macro, one against rest"),
        number("F1", "f1", score, help="macro F1"),
        Column(f"MCC − {reference}", _interval("difference", signed=True), "difference", help="paired difference"),
        number("p", "p", p_value, help="two-sided, paired bootstrap"),
        text(
            "Read-out", "readout", help="cls: regression on CLS or features; patch: on patch tokens; head: own output"
        ),
        number("CPU", "cpu_seconds", duration, help="training, a seed"),
    ]
    return Table(
        name="main",
        title=data.titled("External test, all four sequences"),
        frame=frame,
        columns=[column for column in columns if column],
        source=data.source("runs", "*", "seed-*", "predictions.parquet"),
        emphasised=data.study.study.reference,
        swatch="experiment",
        note=_main_note(data, rows),
    )


def _main_note(data: StudyFiles, rows: list[MainRow]) -> str:
    n = max((row.mcc.n for row in rows if row.mcc), default=0)
    return (
        f"n = {count(n)} external patients. Intervals: {data.replicates:,} bootstrap resamples of patients, stratified "
        "by class, of the mean over seeds; differences are paired on the same resamples and not corrected for the "
        "number of arms. Each arm's read-out is set in its experiment file, chosen on validation."
    )


def _main_line(row: MainRow) -> dict[str, Any]:
    seeds, planned = len(row.arm.done), len(row.arm.runs)
    partly = f" ({seeds} of {planned} seeds)" if 0 < seeds < planned else ""
    return {
        "experiment": row.arm.name,
        "arm": row.arm.title + partly,
        "readout": row.arm.experiment.readout,
        "n": row.mcc.n if row.mcc else NAN,
        "runs": seeds,
        "planned": planned,
        **_parts("mcc", row.mcc),
        "mcc_deviation": row.mcc.deviation if row.mcc and row.mcc.deviation is not None else NAN,
        "balanced_accuracy": row.balanced_accuracy,
        "auroc": row.auroc,
        "f1": row.f1,
        **_parts("difference", row.difference),
        "p": row.difference.p if row.difference else NAN,
        "cpu_seconds": row.cpu_seconds,
        "state": "" if row.mcc else _why(row),
    }


def _why(row: MainRow) -> str:
    """Return, in few words, why an arm has no figure."""
    if not row.arm.done:
        return row.arm.problem if row.arm.problem == "not run" else "unfinished"
    return "too few classes" if row.arm.answers("test") else f"no {row.arm.experiment.readout}"


def readout_table(data: StudyFiles) -> Table:
    """Return each arm's MCC by read-out, on validation (by which read-outs are chosen) and on the external test."""
    lines = []
    for arm in data.arms:
        readouts = sorted(
            {place.readout for run in arm.done for place in run.answers}, key=("cls", "patch", "head").index
        )
        for readout in readouts:
            line: dict[str, Any] = {"experiment": arm.name, "arm": arm.title, "readout": readout}
            for split in ("val", "test"):
                found = [select(run.answers, split, readout) for run in arm.done]
                estimate = arm_mcc([answers for answers in found if answers], data.replicates)
                line |= _parts(split, estimate) | {f"{split}_n": estimate.n if estimate else 0}
            lines.append({**line, "chosen": "yes" if readout == arm.experiment.readout else ""})
    names = ["experiment", "arm", "readout", "chosen", "val", "val_low", "val_high", "val_n"]
    names += ["test", "test_low", "test_high", "test_n"]
    return Table(
        name="readouts",
        title=data.titled("Read-outs: validation and external test"),
        frame=pd.DataFrame(lines, columns=names),
        columns=[
            text("Arm", "arm"),
            text("Read-out", "readout"),
            text("In the main table", "chosen"),
            Column("Validation MCC [95 %]", _interval("val"), "val"),
            number("n", "val_n", count),
            Column("External MCC [95 %]", _interval("test"), "test"),
            number("n", "test_n", count),
        ],
        source=data.source("runs", "*", "seed-*", "predictions.parquet"),
        swatch="experiment",
        note="cls: regression on the CLS token or on pooled or hand-made features; patch: regression on the mean patch "
        "token; head: the network's own output.",
    )


def missing_table(data: StudyFiles, cells: list[Cell]) -> Table:
    """Return MCC by arm, set of sequences and protocol: the numbers of the heat map."""
    lines = [
        {
            "experiment": cell.arm.name,
            "arm": cell.arm.title,
            "protocol": cell.protocol,
            "sequences": cell.sequences,
            "size": cell.sequences.count("+") + 1,
            **_parts("mcc", cell.mcc),
            "n": cell.mcc.n,
            "runs": cell.mcc.runs,
            "oracle": (ceiling(data, cell.sequences) or {}).get("mcc", NAN),
        }
        for cell in cells
    ]
    names = ["experiment", "arm", "protocol", "sequences", "size", "mcc", "mcc_low", "mcc_high", "n", "runs", "oracle"]
    return Table(
        name="missing-sequences",
        title=data.titled("MCC on the external test by sequences at hand"),
        frame=pd.DataFrame(lines, columns=names),
        columns=[
            text("Arm", "arm"),
            text("Protocol", "protocol"),
            text("Sequences", "sequences"),
            number("How many", "size", count),
            Column("MCC [95 %]", _interval("mcc"), "mcc"),
            *([number("Sign oracle", "oracle", score)] if data.oracle else []),
        ],
        source=data.source("runs", "*", "seed-*", "predictions.parquet"),
        swatch="experiment",
    )
