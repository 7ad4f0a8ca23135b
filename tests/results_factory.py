"""Results made up for tests: predictions that are right as often as asked, and whole studies of them."""

import json
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from PIL import Image

from mmdino.config.experiment import Data
from mmdino.config.study import LoadedStudy, load_study
from mmdino.evaluation.subsets import SUBSETS
from mmdino.files import stable_hash, write_json
from mmdino.nifti import write_volume
from mmdino.reporting.data import StudyFiles, gather
from mmdino.reporting.statistics import Statistics, estimate
from mmdino.tables import (
    CLASSES,
    MANIFEST,
    PREDICTIONS,
    PREPROCESSED,
    SEQUENCES,
    SPLITS,
    read_table,
    sequence_set,
    write_table,
)

COSTS = ("cpu_seconds", "wall_seconds", "peak_memory_bytes")  # which a run that trained nothing has not


def answers(truth: np.ndarray, skill: float, rng: np.random.Generator) -> np.ndarray:
    """Return (N, 3) probabilities; ``skill`` 0 knows nothing."""
    logits = rng.normal(size=(len(truth), len(CLASSES)))
    logits[np.arange(len(truth)), truth] += 3 * skill
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


def predictions(
    skill: float = 0.8,
    val: int = 60,
    test: int = 150,
    seed: int = 0,
    subsets=SUBSETS,
    readouts=("cls", "patch", "head"),
    robust: float = 0.0,
) -> pd.DataFrame:
    """Return a predictions table; each sequence that is missing costs skill, the less the more ``robust``."""
    people = np.random.default_rng(7)
    subjects = [f"sub-{number:04d}" for number in range(val + test)]
    splits = ["val"] * val + ["test"] * test
    truth = people.choice(3, val + test, p=[0.3, 0.45, 0.25])
    rng = np.random.default_rng([11, seed])
    parts = []
    for names in subsets:
        for readout in readouts:
            for protocol in ("transfer",) if readout == "head" else ("refit", "transfer"):
                given = answers(truth, skill * (robust + (1 - robust) * len(names) / 4), rng)
                rows = pd.DataFrame({"subject": subjects, "split": splits, "label": [CLASSES[k] for k in truth]})
                rows["cohort"] = np.where(rows["split"] == "test", "external", "site-a")
                rows["sequences"], rows["protocol"], rows["readout"] = sequence_set(names), protocol, readout
                rows[[f"p_{name}" for name in CLASSES]] = given
                parts.append(rows)
    return pd.concat(parts, ignore_index=True)[list(PREDICTIONS.columns)]


def written(folder: Path, frame: pd.DataFrame) -> Path:
    """Write predictions and return their path."""
    write_table(PREDICTIONS, frame, folder / "predictions.parquet")
    return folder / "predictions.parquet"


@dataclass(frozen=True)
class MadeArm:
    """An arm of a made-up study.

    Attributes:
        skill: see :func:`predictions`; None: not run.
        method: a folder of ``mmdino/methods``.
        robust: 1: missing sequences cost nothing.
        steps: of training; 0: it has none.
        group: of an arm of MM-DINOv2; all others are baselines.
        settings, data: of its experiment.
        trained_as: the arm whose weights it has taken over, and whose answers it gives if it is as skilled.
    """

    skill: float | None
    method: str = "frozen-vit"
    readout: str = "cls"
    title: str = ""
    robust: float = 0.0
    steps: int = 0
    group: str = "main"
    settings: dict = field(default_factory=dict)
    data: dict = field(default_factory=dict)
    trained_as: str = ""


ARMS = {
    "mm-dinov2": MadeArm(0.75, "mm-dinov2", title="MM-DINOv2", robust=0.8, steps=300),
    "mm-dinov2-no-full-modality-masking": MadeArm(
        0.75, "mm-dinov2", title="… without full-modality masking", robust=0.3, steps=300
    ),
    "supervised-cnn": MadeArm(0.8, "supervised-cnn", "head", "CNN with sequence dropout", robust=0.5, steps=400),
    "radiomics": MadeArm(0.7, "radiomics", title="Radiomics", robust=0.1),
    "starter-frozen": MadeArm(0.68, title="Starter, frozen", robust=0.6),
    "random-frozen": MadeArm(0.2, title="Random network, frozen", settings={"backbone": "random"}),
    "supervised-vit": MadeArm(None, "supervised-vit", "head", "Supervised ViT"),
}


def write_study(
    root: Path,
    arms: dict[str, MadeArm] | None = None,
    seeds: tuple[int, ...] = (0,),
    phantom: bool = True,
    val: int = 40,
    test: int = 90,
    subject: str = "",
    bootstrap: int = 200,
) -> tuple[LoadedStudy, Path]:
    """Write the configuration and the results of a made-up study; return it and its results folder.

    ``subject``, if given, is the name of a native patient that failed.
    """
    arms = ARMS if arms is None else arms
    sources = {
        "home": {"stage": "stripped", "phantom": {"site": "site-a", "patients": 40}},
        "whole-heads": {"stage": "native", "phantom": {"site": "site-b", "patients": 6}},
        "external": {"stage": "stripped", "role": "test", "phantom": {"site": "external", "patients": test}},
    }
    if not phantom:
        for name, cohort in sources.items():
            cohort["path"] = f"/data/{name}"
            del cohort["phantom"]
    config = {
        "name": "made-up",
        "title": "A made-up study",
        "seeds": list(seeds),
        "cohorts": sources,
        "evaluation": {"bootstrap": bootstrap},
        "experiments": list(arms),
    }
    _yaml(root / "config/studies/made-up.yaml", config)
    results = root / "results/made-up"
    for name, arm in arms.items():
        experiment = {"name": name, "title": arm.title or name, "question": f"What is {name} worth?"}
        experiment["group"] = arm.group if arm.method == "mm-dinov2" else "baseline"
        experiment |= {"method": arm.method, "readout": arm.readout, "settings": arm.settings, "data": arm.data}
        _yaml(root / f"config/experiments/{name}.yaml", experiment)
        for seed in seeds if arm.skill is not None else ():
            _write_run(results / f"runs/{name}/seed-{seed}", name, arm, seed, val, test)
    _write_cohorts(results, sources, val, test, subject)
    if phantom:
        write_json(results / "truth/oracle.json", _oracle(test))
    return load_study(root / "config/studies/made-up.yaml"), results


def many_arms(root: Path, number: int = 300) -> tuple[StudyFiles, Statistics]:
    """Return a study of so many arms: two were run, and the others' estimates are the second's with an MCC of their own."""
    arms = {name: ARMS[name] for name in ("mm-dinov2", "radiomics")}
    others = [f"arm-{place:03d}" for place in range(number - len(arms))]
    study, results = write_study(
        root, arms | {name: MadeArm(None, title=f"Arm {name[4:]}") for name in others}, val=20, test=40, bootstrap=100
    )
    data = gather(study, results)
    found = estimate(data)

    def multiplied(rows: list) -> list:
        """Return a list of ``Statistics`` with the rows of ``radiomics`` for each of the others."""
        model = [row for row in rows if row.arm == "radiomics"]
        return [row for row in rows if row.arm in arms] + [replace(row, arm=name) for name in others for row in model]

    lists = {field.name: getattr(found, field.name) for field in fields(Statistics) if field.name != "claims"}
    found = replace(found, **{name: multiplied(rows) for name, rows in lists.items()})
    for place, row in enumerate(found.main):
        mcc = row.metrics["mcc"]
        less = place / number / 10
        row.metrics["mcc"] = replace(mcc, value=mcc.value - less, low=mcc.low - less, high=mcc.high - less)
    return data, found


def _yaml(path: Path, value: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def _write_run(folder: Path, name: str, arm: MadeArm, seed: int, val: int, test: int) -> None:
    assert arm.skill is not None
    readouts = {"radiomics": ("cls",), "supervised-cnn": ("cls", "head")}.get(arm.method, ("cls", "patch"))
    drawn = seed + stable_hash(arm.trained_as or name) % 1000
    frame = predictions(arm.skill, val, test, drawn, readouts=readouts, robust=arm.robust)
    write_table(PREDICTIONS, frame, folder / "predictions.parquet")
    log = []
    for step in range(1, arm.steps + 1):
        line = {"step": step, "loss": 3 * np.exp(-step / 150) + 1 + 0.1 * np.sin(step), "lr": 1e-3}
        if arm.method == "mm-dinov2":
            line |= {"teacher_entropy": 4.16 - 0.5 * step / arm.steps + 0.02 * np.cos(step), "usage_entropy": 4.1}
        if step % 50 == 0:
            line |= {f"val_mcc_{readout}": arm.skill - 0.3 * np.exp(-step / 100) for readout in readouts}
        log.append(json.dumps(line))
    (folder / "log.jsonl").write_text("".join(f"{line}\n" for line in log))
    record = {
        "experiment": name,
        "method": arm.method,
        "settings": {"prototypes": 3},
        "seed": seed,
        "data": "0123456789abcdef",
        "versions": {"python": "3.11.7", "torch": "2.14.1"},
        "git_commit": "0f1e2d3c4b5a69788796a5b4c3d2e1f001234567",
        "device": "CPU (x86_64, 1 threads)",
        "cpu_seconds": 20.0 + arm.steps,
        "wall_seconds": 25.0 + arm.steps,
        "peak_memory_bytes": {"host": 1_200_000_000},
        "best": {"step": arm.steps, "mcc": {arm.readout: arm.skill}},
        "selected_by": arm.readout,
        "trainable_parameters": 850_000 if arm.steps else 0,
    }
    if arm.data:
        record["data_seen"] = Data(**arm.data).model_dump(mode="json")
    if arm.trained_as:
        record = {key: value for key, value in record.items() if key not in COSTS} | {"trained_as": arm.trained_as}
    write_json(folder / "run.json", record)


def _write_cohorts(results: Path, cohorts: dict, val: int, test: int, subject: str) -> None:
    rng = np.random.default_rng(3)
    people = {"home": [f"sub-{n:04d}" for n in range(val)], "external": [f"sub-{val + n:04d}" for n in range(test)]}
    people["whole-heads"] = [*(f"head-{n}" for n in range(5)), subject or "head-5"]
    splits = []
    for cohort, stage in ((name, cohorts[name]["stage"]) for name in cohorts):
        folder = results / "cohorts" / cohort
        manifest, done = [], []
        for number, name in enumerate(people[cohort]):
            failed = stage == "native" and number == 5
            label = CLASSES[int(rng.choice(3, p=[0.3, 0.45, 0.25]))] if number % 3 or cohort == "external" else ""
            place = {"subject": name, "session": "preop", "cohort": cohort}
            paths = {s: f"raw/{s}.nii.gz" for s in SEQUENCES} | (
                {"flair": ""} if stage == "native" and number == 1 else {}
            )
            manifest.append(
                {**place, "site": f"site of {cohort}", "stage": stage, "label": label, "patient": name, **paths}
            )
            figure = folder / f"figures/{number}.png" if stage == "native" and not failed else ""
            if figure:
                picture(figure, number)
            done.append(
                {
                    **place,
                    "stage": stage,
                    **paths,
                    "seg": "raw/seg.nii.gz",
                    "figure": str(figure),
                    "seg_source": "nnunet" if stage == "native" else "cohort",
                    "status": "failed" if failed else "done",
                    "reason": "t1c is truncated: 1,024 of 90,112 bytes" if failed else "",
                    "seconds": 74.2 if stage == "native" else 0.1,
                    "brain_ml": np.nan if failed else rng.normal(1450, 90),
                }
            )
            split = "test" if cohort == "external" else "val" if cohort == "home" and number % 5 == 0 else "train"
            if not failed:
                labelled = bool(label)
                row = {"patient": name, "subject": name, "cohort": cohort, "site": f"site of {cohort}"}
                splits.append({**row, "split": split, "label": label, "labelled": labelled})
        for table, rows in ((MANIFEST, manifest), (PREPROCESSED, done)):
            write_table(table, pd.DataFrame(rows, columns=list(table.columns)), folder / f"{table.name}.tsv")
    write_table(SPLITS, pd.DataFrame(splits), results / "splits.tsv")


def write_flags(results: Path, cohort: str = "home", patients: int = 3) -> None:
    """Let the first patients of a cohort have brains too small for one, and be flagged for it."""
    path = results / "cohorts" / cohort / "preprocessed.tsv"
    frame = read_table(PREPROCESSED, path)
    first = frame.index[:patients]
    frame.loc[first, ["brain_ml", "flat_end"]] = [512.0, 0.1]
    frame.loc[first, "flags"] = "brain of 512 ml"
    write_table(PREPROCESSED, frame, path)


def picture(path: Path, seed: int = 0) -> None:
    """Write a PNG as large as a quality-control picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 80, (78, 104), np.uint8)
    Image.fromarray(noise.repeat(8, 0).repeat(8, 1)).save(path)


def write_scans(results: Path) -> None:
    """Write the four sequences and the segmentation that every patient's row names: one small brain for all of them."""
    rows, columns, planes = np.mgrid[:48, :56, :12]
    brain = np.hypot((rows - 24) / 20, (columns - 28) / 24) < 1
    tumour = brain & (np.hypot(rows - 16, columns - 34) < 6) & (abs(planes - 7) < 3)
    affine = np.diag([3.0, 3.0, 10.0, 1.0])
    for number, name in enumerate(SEQUENCES, start=1):
        scan = brain * (100 + 20 * planes + number * 40 * tumour)
        write_volume(scan.astype(np.int16), affine, results / f"raw/{name}.nii.gz")
    write_volume(tumour.astype(np.uint8), affine, results / "raw/seg.nii.gz")


def _oracle(test: int) -> dict:
    share = dict.fromkeys(SEQUENCES, 0.24) | {"t1": 0.05}
    found = {}
    for names in SUBSETS:
        value = min(0.91, 0.14 + sum(share[name] for name in names))
        found[sequence_set(names)] = {"mcc": value, "low": value - 0.03, "high": value + 0.03, "n": test}
    return {"test": found, "val": found}
