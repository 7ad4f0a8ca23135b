"""Tables of results: arms against the reference, every metric, comparisons, read-outs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mmdino.evaluation.compare import PERMUTATIONS
from mmdino.evaluation.metrics import BY_CLASS
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import MainRow, ReadoutRow, ceiling, majority
from mmdino.reporting.tables import Column, Table, interval, number, parts, text, who
from mmdino.reporting.text import NONE, count, duration, p_value, score

NAN = float("nan")
RUNS = ("runs", "*", "seed-*", "predictions.parquet")
SHOWN = ("mcc", "balanced_accuracy", "auroc", "f1")
CALLED = {
    "mcc": "MCC",
    "balanced_accuracy": "Bal. acc.",
    "auroc": "AUROC",
    "auroc_ovo": "AUROC, pairs",
    "f1": "F1",
    "brier": "Brier",
    "log_loss": "Log-loss",
    "ece": "ECE",
}
HELP = {
    "balanced_accuracy": "balanced accuracy",
    "auroc": "macro, one class against the rest",
    "auroc_ovo": "macro, one class against one",
    "f1": "macro F1",
    "brier": "sum over the classes, 0 to 2; less is better",
    "log_loss": "nats; less is better",
    "ece": "expected calibration error, 15 bins; less is better",
}


def main_table(data: StudyFiles, rows: list[MainRow]) -> Table:
    """Return the main comparison's arms and the baselines on the external test, best first, between ceiling and floor."""
    lines = _lines(data, rows)
    bound, floor = ceiling(data), majority(data)
    if bound:
        top = {"mcc": bound["mcc"], "mcc_low": bound.get("low", NAN), "mcc_high": bound.get("high", NAN)}
        lines.insert(0, {"experiment": "", "arm": "Sign oracle (ceiling)", "n": bound.get("n", NAN), **top})
    if floor:
        lines.append({"experiment": "", "arm": f"Always {floor[0]} (floor)", **floor[1]})
    return _arms(data, "main", "External test, all four sequences", rows, lines)


def ablation_table(data: StudyFiles, rows: list[MainRow]) -> Table:
    """Return the ablations in the study's order; one that was tested on a left-out cohort says so."""
    return _arms(data, "ablations", "Ablations: external test, all four sequences", rows, _lines(data, rows, False))


def _arms(data: StudyFiles, name: str, title: str, rows: list[MainRow], lines: list[dict[str, Any]]) -> Table:
    names = ["experiment", "arm", "readout", "n", "runs", "planned", "trials"]
    for metric in SHOWN:
        names += [metric, f"{metric}_low", f"{metric}_high"]
    names += ["mcc_total_low", "mcc_total_high", "mcc_deviation", "difference", "difference_low", "difference_high"]
    names += ["p", "p_holm", "same_as", "cpu_seconds", "state"]
    empty: dict[str, Any] = {"state": "", "same_as": "", "runs": 0, "planned": 0, "readout": NONE}
    frame = pd.DataFrame(lines, columns=names).fillna(empty)
    several = max((len(arm.runs) for arm in data.arms), default=1) > 1
    columns = [
        text("Arm", "arm"),
        Column("MCC [95 %]", lambda row: row["state"] or interval("mcc")(row), "mcc"),
        Column("± seeds [95 %]", _deviation, "mcc_deviation", help="deviation between seeds, and the interval over patients "
               "and seeds") if several else None,
        *(Column(f"{CALLED[m]} [95 %]", interval(m), m, help=HELP[m]) for m in SHOWN[1:]),
        Column(f"MCC − {_reference(data)}", _difference(data), "difference", help="paired"),
        number("p (Holm)", "p_holm", p_value, help="permutation test, corrected over the table"),
        text("Read-out", "readout", help="cls: regression on CLS or features; patch: on patch tokens; head: own output"),
        number("Trials", "trials", count, help="settings tried by `mmdino tune` on validation"),
        number("CPU", "cpu_seconds", duration, help="training, a seed; of weights taken over, that of their training"),
    ]  # fmt: skip
    return Table(
        name=name,
        title=data.titled(title),
        frame=frame,
        columns=[column for column in columns if column],
        source=data.source(*RUNS),
        emphasised=data.study.study.reference,
        swatch="experiment",
        note=_note(data, rows),
    )


def _difference(data: StudyFiles) -> Callable[[dict[str, Any]], str]:
    """Return what shows a row's difference, or whose predictions it has with all four sequences."""
    shown, same = interval("difference", signed=True), "same predictions with all four sequences as"
    return lambda row: f"{same} {data.named(row['same_as']).title}" if row["same_as"] else shown(row)


def _deviation(row: dict[str, Any]) -> str:
    if np.isnan(row["mcc_deviation"]):
        return NONE
    total = interval("mcc", low="mcc_total_low", high="mcc_total_high")(row)
    return f"{score(row['mcc_deviation'])} {total.partition(' ')[2]}"


def _note(data: StudyFiles, rows: list[MainRow]) -> str:
    n = max((row.mcc.n for row in rows if row.mcc and not data.named(row.arm).elsewhere), default=0)
    tests = sum(row.difference is not None for row in rows)
    corrected = f"corrected for the {tests} comparisons of the table (Holm)" if tests > 1 else "the table's only one"
    return (
        f"n = {count(n)} external patients. Intervals: {data.replicates:,} bootstrap resamples of patients, stratified "
        "by class, of the mean over seeds; differences are paired on the same resamples. p: "
        f"{PERMUTATIONS * data.replicates:,} permutations of the two arms' answers, {corrected}. Beside the deviation between "
        "seeds stands MCC's interval over patients and seeds, which a claim about a method must face. Each arm's "
        "read-out is set in its experiment file, chosen on validation."
    )


def _reference(data: StudyFiles) -> str:
    return data.reference.label if data.reference else data.study.study.reference


def _lines(data: StudyFiles, rows: list[MainRow], ranked: bool = True) -> list[dict[str, Any]]:
    ordered = sorted(rows, key=lambda row: -(row.mcc.value if row.mcc else -2)) if ranked else rows
    return [_line(data, row) for row in ordered]


def _line(data: StudyFiles, row: MainRow) -> dict[str, Any]:
    arm = data.named(row.arm)
    seconds = data.training_seconds(arm)
    line: dict[str, Any] = {
        **who(arm),
        "readout": arm.experiment.readout,
        "n": row.mcc.n if row.mcc else NAN,
        "runs": len(arm.done),
        "planned": len(arm.runs),
        "trials": arm.tuning.get("trials", 0),
        **parts("difference", row.difference),
        "p": row.difference.p if row.difference else NAN,
        "p_holm": row.difference.p_holm if row.difference else NAN,
        "same_as": row.same_as,
        "cpu_seconds": float(np.mean(seconds)) if seconds else NAN,
        "state": "" if row.mcc else arm.lack,
    }
    for metric in SHOWN:
        line |= parts(metric, row.metrics.get(metric))
    if row.mcc and row.mcc.deviation is not None:
        line["mcc_deviation"] = row.mcc.deviation
        line |= {"mcc_total_low": row.mcc.total_low, "mcc_total_high": row.mcc.total_high}
    return line


def metric_table(data: StudyFiles, rows: Sequence[MainRow]) -> Table:
    """Return every metric of every arm with its intervals: one line an arm and metric."""
    lines = []
    for row in rows:
        for metric, estimate in row.metrics.items():
            line = {**who(data.named(row.arm)), "metric": metric, **parts("value", estimate)}
            line |= {"total_low": estimate.total_low, "total_high": estimate.total_high}
            line |= {"deviation": estimate.deviation, "n": estimate.n, "runs": estimate.runs}
            lines.append(line)
    names = ["experiment", "arm", "metric", "value", "value_low", "value_high", "total_low", "total_high"]
    return Table(
        name="metrics",
        title=data.titled("Every metric on the external test, all four sequences"),
        frame=pd.DataFrame(lines, columns=[*names, "deviation", "n", "runs"]),
        columns=[
            text("Arm", "arm"),
            Column("Metric", lambda row: called(row["metric"]), number=False),
            Column("Value [95 %]", interval("value"), "value", help="interval over patients"),
            Column("Over patients and seeds", _total, None),
            number("± seeds", "deviation", score, help="standard deviation between seeds"),
        ],
        source=data.source(*RUNS),
        swatch="experiment",
        note="Brier (sum over the classes), log-loss and ECE: less is better. The interval over patients and seeds adds "
        "both variances; it needs several seeds.",
    )


def _total(row: dict[str, Any]) -> str:
    return interval("value", low="total_low", high="total_high")(row).partition(" ")[2] or NONE


def called(metric: str) -> str:
    """Return a metric's name for people."""
    if metric in BY_CLASS:
        kind, _, name = metric.partition("_")
        return f"{kind.capitalize()}, {name}"
    return CALLED[metric]


def comparison_table(data: StudyFiles, rows: Sequence[MainRow]) -> Table:
    """Return every arm's paired difference to the reference, with both tests and what the test could have found."""
    margin = data.study.study.evaluation.margin
    lines = [_comparison(data, row, margin) for row in rows if row.difference or row.same_as]
    names = ["experiment", "arm", "difference", "difference_low", "difference_high", "total_low", "total_high"]
    names += ["p", "p_bootstrap", "p_holm", "detectable", "not_inferior", "same_as", "n", "runs"]
    names += ["missing_difference", "missing_difference_low", "missing_difference_high"]
    return Table(
        name="comparisons",
        title=data.titled(f"MCC minus that of {_reference(data)}, on the same patients"),
        frame=pd.DataFrame(lines, columns=names),
        columns=[
            text("Arm", "arm"),
            Column("Difference [95 %]", _difference(data), "difference", help="over patients"),
            Column(
                "Over patients and seeds",
                lambda row: interval("difference", True, "total_low", "total_high")(row).partition(" ")[2] or NONE,
            ),
            number("p, permutation", "p", p_value),
            number("p, bootstrap", "p_bootstrap", p_value),
            number("p (Holm)", "p_holm", p_value, help="permutation, corrected over its table"),
            number("Detectable", "detectable", score, help="true difference that would be found four times in five"),
            text(f"Not inferior by {score(margin)}", "not_inferior"),
            Column(
                "One missing [95 %]",
                interval("missing_difference", signed=True),
                "missing_difference",
                help="difference with one sequence missing, the mean over the four cases, protocol transfer",
            ),
        ],
        source=data.source(*RUNS),
        swatch="experiment",
        note=f"Not inferior: the lower end of the difference's interval (over patients and seeds where there are several, "
        f"else over patients) lies above −{score(margin)} (`evaluation.margin`). Detectable: the smallest true difference "
        "that a two-sided test at 5 % on as many patients finds with a power of 80 %.",
    )


def _comparison(data: StudyFiles, row: MainRow, margin: float) -> dict[str, Any]:
    line: dict[str, Any] = {**who(data.named(row.arm)), **parts("difference", row.difference), "same_as": row.same_as}
    line |= parts("missing_difference", row.one_missing)
    gap = row.difference
    if gap is None:
        return line | {"not_inferior": NONE}
    line |= {"n": gap.n, "runs": gap.runs, "total_low": gap.total_low, "total_high": gap.total_high, "p": gap.p}
    line |= {"p_bootstrap": gap.p_bootstrap, "p_holm": gap.p_holm, "detectable": gap.detectable}
    return line | {"not_inferior": "yes" if gap.not_inferior(margin) else "not shown"}


def readout_table(data: StudyFiles, rows: Sequence[ReadoutRow]) -> Table:
    """Return each arm's MCC by read-out, on validation (by which read-outs are chosen) and on the external test."""
    lines = []
    for row in rows:
        arm = data.named(row.arm)
        line: dict[str, Any] = {**who(arm), "readout": row.readout}
        for split, estimate in (("val", row.val), ("test", row.test)):
            line |= parts(split, estimate) | {f"{split}_n": estimate.n if estimate else 0}
        lines.append({**line, "chosen": "yes" if row.readout == arm.experiment.readout else ""})
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
            Column("Validation MCC [95 %]", interval("val"), "val"),
            number("n", "val_n", count),
            Column("External MCC [95 %]", interval("test"), "test"),
            number("n", "test_n", count),
        ],
        source=data.source(*RUNS),
        swatch="experiment",
        note="cls: regression on the CLS token or on pooled or hand-made features; patch: regression on the mean patch "
        "token; head: the network's own output.",
    )
