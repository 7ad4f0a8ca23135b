"""P12: what each step costs as the patients grow ×1, ×4, ×16: CPU seconds, and the peak memory of the process.

    python benchmarks/growth.py OUT [--patients 48]

One process, sizes rising. Patients are links to a few phantom slabs, under names of their own. What is
held against a line is the cost of a further patient: from ×4 to ×16, over that from ×1 to ×4, so that a start does not count.
"""

import argparse
import resource
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from cpu import seconds
from mmdino.cohorts import build_manifest
from mmdino.config import Bank, Cohort, Splits, Study
from mmdino.dataset.bank import SliceBank
from mmdino.dataset.build import build_bank
from mmdino.dataset.patients import Patients
from mmdino.dataset.splits import make_splits
from mmdino.evaluation.evaluate import measure_all
from mmdino.evaluation.subsets import SUBSETS
from mmdino.files import write_json
from mmdino.leakage.descriptor import GRID
from mmdino.leakage.similarity import similar_pairs
from mmdino.methods.base import Run
from mmdino.methods.mm_dinov2.method import MMDinoV2
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.reporting.data import gather
from mmdino.reporting.drawing import write_figures
from mmdino.reporting.report import all_tables, write_page
from mmdino.reporting.statistics import estimate
from mmdino.tables import CLASSES, PREDICTIONS, conform, sequence_set
from mmdino.training.loop import train
from patients import COHORT, phantoms, stripped
from steps import TINY

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from results_factory import write_study

FACTORS = (1, 4, 16)
BATCH = 16
MADE = 16  # phantoms; whoever comes after them is a link


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--patients", type=int, default=48, help="at ×1")
    given = parser.parse_args()
    torch.set_num_threads(1)
    phantoms(given.out / "made", MADE)
    found: dict[str, dict[int, tuple[float, float]]] = {}
    for count in (given.patients * factor for factor in FACTORS):
        for step, work in steps(given.out, count):
            spent = seconds(work)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            found.setdefault(step, {})[count] = round(spent, 3), round(peak)
            print(f"{count} patients, {step}: {spent:.2f} CPU s, {peak:.0f} MB", flush=True)
    write_json(given.out / "growth.json", found)
    print(table(found))


def steps(out: Path, count: int) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield each step of a study of ``count`` patients with its work; each uses what the one before left."""
    folder = out / str(count)
    raw = link(out / "made/raw", folder / "raw", count)
    cohort, kept = Cohort(stage="stripped", path=str(raw)), {}
    study = Study(
        name=COHORT, title=COHORT, cohorts={COHORT: cohort}, splits=Splits(), bank=Bank(axes=[2]), experiments=["none"]
    )
    yield "manifest", lambda: kept.update(manifest=build_manifest(COHORT, cohort, raw))
    ready = stripped(kept["manifest"])
    yield "slice bank", lambda: build_bank(ready, study.bank, folder / "slices")
    yield "splits", lambda: kept.update(splits=make_splits(study, kept["manifest"], ready))
    patients = Patients(SliceBank.open([folder / "slices"]), kept["splits"])
    settings = Settings(backbone="random", batch=BATCH, **TINY)
    trained = MMDinoV2(Run(settings, 0, folder, patients))
    epoch = len(patients.select("train")) // BATCH
    yield "an epoch's batches, ten views each", lambda: deque(map(trained.batch, range(epoch)), maxlen=0)
    once = Run(settings.model_copy(update={"steps": epoch, "evaluate_every": 0}), 0, folder / "trained", patients)
    yield "an epoch of training, a tiny network", lambda: train(once, MMDinoV2(once), {"made": count})
    crops = np.random.default_rng(0).normal(size=(count, 4, *GRID)).astype(np.float32)
    yield "audit: all pairs", lambda: similar_pairs(crops, 7.5)
    answers = predictions(count)
    yield "metrics of a run, 15 sets, 2,000 resamples", lambda: measure_all(answers, 2000)
    loaded, results = write_study(folder / "made-up", val=count // 4, test=count, bootstrap=2000)
    yield (
        "statistics of six arms",
        lambda: kept.update(found=estimate(kept.setdefault("data", gather(loaded, results)))),
    )
    yield "tables", lambda: kept.update(tables=all_tables(kept["data"], kept["found"]))
    yield "figures", lambda: write_figures(kept["data"], kept["found"], kinds=("svg",))
    yield "the report's page", lambda: write_page(kept["data"], kept["found"], kept["tables"])


def link(made: Path, folder: Path, count: int) -> Path:
    """Return a cohort of ``count`` patients whose files are links to those of a few."""
    labels = pd.read_csv(made / "labels.tsv", sep="\t")
    rows = []
    for number in range(count):
        source, name = made / labels["subject"][number % len(labels)], f"p-{number:05d}"
        (folder / name).mkdir(parents=True, exist_ok=True)
        for path in source.iterdir():
            here = folder / name / path.name.replace(source.name, name)
            if not here.exists():
                here.symlink_to(path.resolve())
        rows.append({**labels.iloc[number % len(labels)], "subject": name})
    pd.DataFrame(rows).to_csv(folder / "labels.tsv", sep="\t", index=False)
    return folder


def predictions(patients: int) -> pd.DataFrame:
    """Return a run's predictions for ``patients`` test patients under every set and both protocols."""
    rng = np.random.default_rng(0)
    who = pd.DataFrame(
        {"subject": [f"p-{number:05d}" for number in range(patients)], "cohort": COHORT, "split": "test"}
    )
    who["label"] = np.array(CLASSES)[np.arange(patients) % len(CLASSES)]
    parts = []
    for names in SUBSETS:
        for protocol in ("refit", "transfer"):
            part = who.assign(sequences=sequence_set(names), protocol=protocol, readout="cls")
            part[[f"p_{name}" for name in CLASSES]] = rng.dirichlet(np.ones(len(CLASSES)), patients)
            parts.append(part)
    return conform(PREDICTIONS, pd.concat(parts, ignore_index=True), "predictions")


def table(found: dict[str, dict[int, tuple[float, float]]]) -> str:
    """Return the steps' costs as Markdown, with the growth of a further patient's cost."""
    counts = list(next(iter(found.values())))
    head = ["step", *(f"{count} patients, CPU s" for count in counts), "a further patient, s", "growth", "peak MB"]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for step, costs in found.items():
        (a, b, c), (low, middle, high) = counts, (costs[count][0] for count in counts)
        before, after = (middle - low) / (b - a), (high - middle) / (c - b)
        cells = [f"{costs[count][0]:.2f}" for count in counts]
        cells += [f"{after:.5f}", f"{after / before:.2f}" if before > 1e-5 else "–"]
        cells.append(", ".join(f"{costs[count][1]:.0f}" for count in counts))
        lines.append(f"| {step} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
