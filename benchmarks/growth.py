"""P12: what each step costs as the patients grow ×1, ×4, ×16: CPU seconds and peak memory of the study's own commands.

    python benchmarks/growth.py OUT [--patients 24] [--quick]

Each step is a process of its own, on phantom slabs; a second start with the same OUT uses the phantoms again. What is held
against a line is the cost of a further patient: from ×4 to ×16, over that from ×1 to ×4, so that a start does not count.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from mmdino.files import write_json

FACTORS, QUICK = (1, 4, 16), (1, 2, 4)
BATCH = 8
TINY = {
    **{"backbone": "random", "dim": 32, "depth": 1, "heads": 2, "head_hidden": 32, "head_bottleneck": 16},
    **{"local_crops": 2, "batch": BATCH, "evaluate_every": 0, "warmup_steps": 0, "freeze_backbone_steps": 0},
    **{"stem": "conv", "layer_scale": 1.0, "missing": "drop", "freeze_last_layer_steps": 0},
}
HOME, AWAY = "home", "away"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--patients", type=int, default=24, help="of each of two cohorts, at ×1")
    parser.add_argument("--quick", action="store_true", help="×1, ×2, ×4")
    given = parser.parse_args()
    sizes = [given.patients * factor for factor in (QUICK if given.quick else FACTORS)]
    found = {str(2 * size): study(given.out.resolve(), size) for size in sizes}
    write_json(given.out / "growth.json", found)
    print(table(found))


def study(out: Path, patients: int) -> dict[str, tuple[float, float]]:
    """Return CPU seconds and peak MB of each step of a study of two cohorts of ``patients`` each."""
    folder = out / str(patients)
    shutil.copytree("config", folder / "config", dirs_exist_ok=True)
    file = folder / "config/studies/growth.yaml"
    file.write_text(yaml.safe_dump(settings(patients)))
    for name in (HOME, AWAY):
        mmdino("phantom", file, f"--cohort={name} --out={folder}/raw/{name} --truth={folder}/results/truth")
    shutil.rmtree(folder / "results/runs", ignore_errors=True)
    return {name: measured(name, file, folder / "results", folder / "raw") for name in STEPS}


def settings(patients: int) -> dict:
    made = {"site": "site-a", "patients": patients}
    return {
        "name": "growth",
        "title": "Growth",
        "cohorts": {
            HOME: {"stage": "stripped", "phantom": made},
            AWAY: {"stage": "stripped", "role": "test", "phantom": {**made, "site": "external"}},
        },
        "bank": {"axes": [2]},
        "shards": 1,
        "experiments": ["mm-dinov2"],
        "methods": {"mm-dinov2": TINY | {"steps": max(patients // BATCH, 1)}},
    }


RUN = "--experiment=mm-dinov2 --seed=0 --slices={r}/{c[0]}/slices --slices={r}/{c[1]}/slices --splits={r}/splits.tsv"
BY_COHORT = {  # step: the commands for each cohort, and those for all of them
    "manifest": (["manifest --cohort={c} --root={raw}/{c} --out={r}/{c}/manifest.tsv"], []),
    "preprocessing (stripped: checks alone)": (
        [
            "preprocess --cohort={c} --manifest={r}/{c}/manifest.tsv --shard=0 --derivatives={r}/{c}/bids "
            "--out={r}/{c}/shard.tsv",
            "gather --cohort={c} {r}/{c}/shard.tsv --out={r}/{c}/preprocessed.tsv",
        ],
        [],
    ),
    "audit: fingerprints": (["fingerprint --preprocessed={r}/{c}/preprocessed.tsv --out={r}/{c}/fingerprints.npz"], []),
    "audit: pairs": (
        [],
        [
            "leakage --manifest={r}/{c[0]}/manifest.tsv --manifest={r}/{c[1]}/manifest.tsv "
            "--preprocessed={r}/{c[0]}/preprocessed.tsv --preprocessed={r}/{c[1]}/preprocessed.tsv "
            "--fingerprints={r}/{c[0]}/fingerprints.npz --fingerprints={r}/{c[1]}/fingerprints.npz "
            "--out={r}/leakage.tsv --page={r}/leakage.html"
        ],
    ),
    "slice bank": (["slices --preprocessed={r}/{c}/preprocessed.tsv --out={r}/{c}/slices"], []),
    "splits": (
        [],
        [
            "splits --manifest={r}/{c[0]}/manifest.tsv --manifest={r}/{c[1]}/manifest.tsv "
            "--preprocessed={r}/{c[0]}/preprocessed.tsv --preprocessed={r}/{c[1]}/preprocessed.tsv --out={r}/splits.tsv"
        ],
    ),
    "training: an epoch of a tiny network": ([], [f"train {RUN} --out={{r}}/runs/mm-dinov2/seed-0"]),
    "prediction, 15 sets": ([], [f"predict {RUN} --out={{r}}/runs/mm-dinov2/seed-0/predictions.parquet"]),
    "metrics": (
        [],
        [
            "evaluate --predictions={r}/runs/mm-dinov2/seed-0/predictions.parquet --out={r}/runs/mm-dinov2/seed-0/metrics.json"
        ],
    ),
    "statistics": ([], ["statistics --results={r}"]),
    "report": ([], ["report --results={r}"]),
}
STEPS = list(BY_COHORT)


def measured(step: str, file: Path, results: Path, raw: Path) -> tuple[float, float]:
    each, together = BY_COHORT[step]
    commands = [command.format(r=results, raw=raw, c=name) for name in (HOME, AWAY) for command in each]
    commands += [command.format(r=results, c=(HOME, AWAY)) for command in together]
    costs = [mmdino(*command.split(" ", 1)[:1], file, command.split(" ", 1)[1]) for command in commands]
    found = round(sum(seconds for seconds, _ in costs), 2), round(max(peak for _, peak in costs))
    print(f"{results.parent.name} × 2 patients, {step}: {found[0]} CPU s, {found[1]} MB", file=sys.stderr, flush=True)
    return found


def mmdino(verb: str, file: Path, options: str) -> tuple[float, float]:
    """Return the CPU seconds and the peak memory (MB) of a verb."""
    study = [] if verb == "fingerprint" else ["--study", str(file)]
    command = [sys.executable, "-W", "ignore", "-m", "mmdino", verb, *study, *options.split()]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def table(found: dict[str, dict[str, tuple[float, float]]]) -> str:
    """Return the steps' costs as Markdown, with the growth of a further patient's cost."""
    counts = [int(count) for count in found]
    head = ["step", *(f"{count} patients, s" for count in counts), "a further patient, s", "growth", "peak MB"]
    lines = [" | ".join(["", *head, ""]).strip(), "|" + "---|" * len(head)]
    for step in STEPS:
        costs = [found[str(count)][step] for count in counts]
        slopes = [(b[0] - a[0]) / (n - m) for a, b, m, n in zip(costs, costs[1:], counts, counts[1:])]
        growth = f"{slopes[1] / slopes[0]:.2f}" if slopes[0] > 0.002 else "under the noise"
        seconds = " | ".join(f"{cost:.1f}" for cost, _ in costs)
        peaks = ", ".join(f"{peak:.0f}" for _, peak in costs)
        lines.append(f"| {step} | {seconds} | {slopes[-1]:.4f} | {growth} | {peaks} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
