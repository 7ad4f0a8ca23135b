"""Tables about the study itself: cohorts, failures, costs, trials."""

import statistics
from typing import Any

import pandas as pd

from mmdino.config.chosen import command
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.tables import Column, Table, number, text
from mmdino.reporting.text import NONE, count, duration, listing, score
from mmdino.tables import CLASSES, SEQUENCES

NAN = float("nan")


def cohort_table(data: StudyFiles) -> Table:
    """Return a row a cohort: from patients found to patients used, by split and class."""
    lines = [_cohort_line(data, name) for name in data.study.study.cohorts]
    return Table(
        name="cohorts",
        title=data.titled("Cohorts: from patients found to patients used"),
        frame=pd.DataFrame(lines),
        columns=[
            text("Cohort", "cohort"),
            text(
                "Stage",
                "stage",
                help="native: whole heads; atlas: registered; stripped: registered, without skull; "
                "…-other-space: registered, but not to this atlas",
            ),
            text("Site", "site"),
            number("Found", "found", count),
            number(
                "Failed",
                "failed",
                count,
                help="excluded (quality control too), failed, or without slices",
            ),
            Column("Train (labelled)", lambda row: f"{count(row['train'])} ({count(row['labelled'])})", "train"),
            number("Val.", "val", count, help="validation"),
            number("Test", "test", count, help="external test"),
            Column("Astro / GBM / oligo", lambda row: " / ".join(count(row[name]) for name in CLASSES), CLASSES[0]),
            number("No label", "unlabelled", count),
            text("Missing", "missing", help="patients who lack a sequence"),
            number("Brain, ml", "brain_ml", count, help="median volume inside the brain masks"),
        ],
        source=f"{data.source('cohorts', '*', 'manifest.tsv')}, preprocessed.tsv; {data.source('splits.tsv')}",
        note="Classes are counted among the patients used, with the labels that are known; training sees only the "
        "labelled ones'.",
    )


def _cohort_line(data: StudyFiles, name: str) -> dict[str, Any]:
    manifest, done, splits = (frame[frame["cohort"] == name] for frame in (data.manifest, data.preprocessed, data.used))
    cohort = data.study.cohort(name)
    split, labelled = splits["split"], splits["labelled"].astype(bool)
    absent = {sequence: int((manifest[sequence] == "").sum()) for sequence in SEQUENCES} if len(manifest) else {}
    volumes = list(done["brain_ml"].dropna())
    excluded = int((manifest["excluded"] != "").sum()) if len(manifest) else 0
    left_out = int((data.left_out["cohort"] == name).sum())
    return {
        "cohort": name,
        "stage": cohort.stage,
        "site": ", ".join(sorted(set(manifest["site"]) - {""})) or cohort.site or NONE,
        "role": cohort.role,
        "found": len(manifest),
        "failed": max(excluded, int((done["status"] != "done").sum()) if len(done) else 0) + left_out,
        "train": int((split == "train").sum()),
        "labelled": int(((split == "train") & labelled).sum()),
        "val": int((split == "val").sum()),
        "test": int((split == "test").sum()),
        **{label: int((splits["label"] == label).sum()) for label in CLASSES},
        "unlabelled": int((splits["label"] == "").sum()),
        "missing": ", ".join(f"{sequence} {n}" for sequence, n in absent.items() if n) or NONE,
        "brain_ml": statistics.median(volumes) if volumes else NAN,
    }


def failure_table(data: StudyFiles) -> Table:
    """Return everybody and everything that was left out, with the reason."""
    lines = []
    failed = data.preprocessed[data.preprocessed["status"] != "done"]
    for row in failed.to_dict("records"):
        lines.append({"what": row["subject"], "where": f"preprocessing, {row['cohort']}", "reason": row["reason"]})
    known = set(failed["subject"])
    for row in data.manifest[data.manifest["excluded"] != ""].to_dict("records"):
        if row["subject"] not in known:
            lines.append({"what": row["subject"], "where": f"manifest, {row['cohort']}", "reason": row["excluded"]})
    for row in data.left_out.to_dict("records"):
        lines.append({"what": row["subject"], "where": f"slice bank, {row['cohort']}", "reason": row["reason"]})
    for arm in data.shown():
        for run in arm.runs:
            if run.problem:
                reason = f"{run.problem}; {arm.command}"
                lines.append({"what": f"{arm.title}, seed {run.seed}", "where": "runs", "reason": reason})
    lines += [
        {"what": said.split(": ", 1)[0], "where": "files", "reason": said.split(": ", 1)[-1]} for said in data.broken
    ]
    return Table(
        name="failures",
        title="Left out, with the reason",
        frame=pd.DataFrame(lines, columns=["what", "where", "reason"]),
        columns=[text("What", "what"), text("Where", "where"), text("Reason", "reason")],
        source=f"{data.source('cohorts', '*', 'preprocessed.tsv')}, manifest.tsv, slices/failures.tsv; runs",
        note=_when_mended(data),
    )


def _when_mended(data: StudyFiles) -> str:
    """Return how what is mended in a cohort's folder reaches the study; phantoms are made, and have none of their own."""
    if not any(cohort.path for cohort in data.study.study.cohorts.values()):
        return ""
    again = command(data.study.study.name, "--forcerun manifest")
    return (
        f"A file or table mended in a cohort's folder is taken up by `{again}` alone; patients whose files are the same are not "
        "preprocessed again, but what was trained on the cohort is (docs/own-data.md, When the data change)."
    )


def cost_table(data: StudyFiles) -> Table:
    """Return what each arm and each cohort's preprocessing cost."""
    lines: list[dict[str, Any]] = []
    for name in data.study.study.cohorts:
        seconds = data.preprocessed.loc[data.preprocessed["cohort"] == name, "seconds"].dropna()
        if len(seconds):
            typical = seconds.median()
            median = f"{f'{typical:.2g} s' if typical < 1 else duration(typical)} a patient, median"
            lines.append(
                {"what": f"Preprocessing, {name}", "units": len(seconds), "cpu": seconds.sum(), "detail": median}
            )
    for arm in data.arms:
        records = [run.record for run in arm.runs if run.record]
        if records:
            lines.append(
                {"what": f"Training, {arm.title}", "experiment": arm.name, "units": len(records), **_spent(records)}
            )
    names = ["what", "experiment", "units", "cpu", "wall", "memory_gb", "parameters", "detail"]
    frame = pd.DataFrame(lines, columns=names)
    return Table(
        name="cost",
        title=data.titled("Cost"),
        frame=frame,
        columns=[
            text("What", "what"),
            number("Patients or seeds", "units", count),
            number("CPU, all", "cpu", duration),
            number("Wall, all", "wall", duration),
            number("Peak memory, GB", "memory_gb", lambda value: NONE if pd.isna(value) else f"{value:.1f}"),
            number("Trained parameters", "parameters", count),
            Column("Detail", lambda row: row["detail"] if isinstance(row["detail"], str) else "", number=False),
        ],
        source=f"{data.source('runs', '*', 'seed-*', 'run.json')}; {data.source('cohorts', '*', 'preprocessed.tsv')}",
        swatch="experiment",
        note=f"Together {duration(float(frame['cpu'].sum()))} of CPU time. Predictions, the look into the network "
        "and the report are not in it, nor what starting weights had cost.",
    )


def _spent(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the runs' own trainings cost; of those that took over another one's weights it is said whose."""
    adopted = [str(record["trained_as"]) for record in records if record.get("trained_as")]
    own = [record for record in records if not record.get("trained_as")]
    theirs = f"the weights of {listing(sorted(set(adopted)))}" if adopted else ""
    if not own:
        return {"cpu": 0.0, "wall": 0.0, "detail": f"none of its own: {theirs}"}
    peaks = [record.get("peak_memory_bytes", {}).get("host", NAN) for record in own]
    shared = f"{len(adopted)} of {len(records)} seeds have {theirs}" if adopted else ""
    return {
        "cpu": sum(record.get("cpu_seconds", 0.0) for record in own),
        "wall": sum(record.get("wall_seconds", 0.0) for record in own),
        "memory_gb": max(peaks) / 1e9,
        "parameters": own[0].get("trainable_parameters", NAN),
        "detail": ", ".join(part for part in (str(own[0].get("device", "")), _energy(own), shared) if part),
    }


def _energy(records: list[dict[str, Any]]) -> str:
    joules = sum(record.get("gpu_joules", 0) for record in records)
    return f"{joules / 3.6e6:.2g} kWh of its first GPU" if joules else ""


def tuning_table(data: StudyFiles) -> Table:
    """Return how many settings were tried for each arm, and whether the best of them is what the study uses."""
    lines = []
    for arm in data.shown():
        best = arm.tuning.get("best", {})
        line: dict[str, Any] = {"experiment": arm.name, "arm": arm.title, "trials": arm.tuning.get("trials", 0)}
        line |= {"budget": data.study.study.evaluation.trials if arm.experiment.tune else 0}
        line |= {"first": arm.tuning.get("first_mcc"), "best": best.get("mcc"), "in_use": NONE}
        if best:
            used = data.study.resolved(arm.name)["settings"]
            line["in_use"] = "yes" if all(used.get(key) == value for key, value in best["settings"].items()) else "no"
        lines.append(line)
    return Table(
        name="tuning",
        title=data.titled("Trials on validation"),
        frame=pd.DataFrame(lines, columns=["experiment", "arm", "trials", "budget", "first", "best", "in_use"]),
        columns=[
            text("Arm", "arm"),
            number("Trials", "trials", count),
            number("Budget", "budget", count),
            number("Validation MCC as it was", "first", score),
            number("Best", "best", score),
            text("Best in use", "in_use"),
        ],
        source=data.source("tuning", "*", "best.json"),
        swatch="experiment",
        note="`mmdino tune` searches the spaces of an experiment's file; every experiment that has one gets the same "
        "budget (`evaluation.trials`). What it finds is used once it stands in the study's file (`tuned`).",
    )
