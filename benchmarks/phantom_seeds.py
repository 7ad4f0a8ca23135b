"""External MCC of every run of a study: mean over seeds, each seed's value beside it; and what an arm has over another.

python benchmarks/phantom_seeds.py results/phantom
python benchmarks/phantom_seeds.py results/phantom --arm mm-dinov2/cls --than starter-frozen/cls supervised-vit/head
python benchmarks/phantom_seeds.py results/phantom-brief --study config/studies/phantom-brief.yaml    # every arm of it
"""

import argparse
from pathlib import Path

import pandas as pd

from mmdino.config import load_study
from mmdino.evaluation.compare import Run, paired_difference
from mmdino.evaluation.metrics import confusion, mcc
from mmdino.evaluation.predictions import Answers, Place, group, read_predictions
from mmdino.reporting.text import NONE, equals, score, span, with_span
from mmdino.tables import CLASSES, sequence_set

ALL = ("t1", "t1c", "t2", "flair")
WITHOUT = {f"− {name}": tuple(s for s in ALL if s != name) for name in ("flair", "t1c", "t2", "t1")}
SETS = {"all four": ALL, **WITHOUT}
REPLICATES = 2000


def place(names: tuple[str, ...], readout: str) -> Place:
    return Place("test", sequence_set(names), "transfer", readout)


def answers(results: Path, arm: str) -> list[dict[Place, Answers]]:
    """Return what each seed's run of an arm said."""
    found = sorted((results / "runs" / arm).glob("seed-*/predictions.parquet"))
    if not found:
        raise SystemExit(f"{results}/runs/{arm}: no seed has predictions; run its target first")
    return [group(read_predictions(path), int(path.parent.name.removeprefix("seed-"))) for path in found]


def table(results: Path) -> pd.DataFrame:
    """Return a row an arm and read-out: MCC by set of sequences, the mean over seeds and each seed's."""
    rows = []
    for arm in sorted({path.parts[-3] for path in results.glob("runs/*/seed-*/predictions.parquet")}):
        runs = answers(results, arm)
        for readout in sorted({key.readout for key in runs[0]}):
            row = {"arm": arm, "read-out": readout}
            for title, names in SETS.items():
                each = [mcc_of(run[place(names, readout)]) for run in runs]
                row[title] = f"{sum(each) / len(each):.2f} ({', '.join(f'{value:.2f}' for value in each)})"
            rows.append(row)
    return pd.DataFrame(rows)


def mcc_of(given: Answers) -> float:
    return float(mcc(confusion(given.truth, given.predicted, len(CLASSES))))


def differences(results: Path, arm: str, others: list[str]) -> pd.DataFrame:
    """Return a row a rival (arm/read-out): difference, 95 % intervals over patients and over seeds as well, p."""
    return pd.DataFrame(
        {
            "minus": other,
            "all four": said(cases(results, arm, [ALL]), cases(results, other, [ALL])),
            "one missing": said(cases(results, arm, WITHOUT.values()), cases(results, other, WITHOUT.values())),
        }
        for other in others
    )


def by_study(results: Path, path: Path) -> pd.DataFrame:
    """Return a row an arm of a study, by its own read-out: MCC of its seeds, and what it has over the reference."""
    study, rows = load_study(path), []
    readouts = {name: one.readout for name, one in study.experiments.items()}
    reference = f"{study.study.reference}/{readouts[study.study.reference]}"
    for name, readout in readouts.items():
        if not any((results / "runs" / name).glob("seed-*/predictions.parquet")):
            continue
        each = [mcc_of(run[0]) for run in cases(results, f"{name}/{readout}", [ALL])]
        row = {
            "arm": name,
            "read-out": readout,
            "all four": f"{score(sum(each) / len(each))} ({', '.join(map(score, each))})",
        }
        own = f"{name}/{readout}" == reference
        for title, sets in {"all four, minus it": [ALL], "one missing, minus it": WITHOUT.values()}.items():
            ours, theirs = (cases(results, arm, sets) for arm in (f"{name}/{readout}", reference))
            row[title] = NONE if own else said(ours, theirs)
        rows.append(row)
    return pd.DataFrame(rows)


def cases(results: Path, arm: str, sets) -> list[Run]:
    name, readout = arm.split("/")
    return [[run[place(names, readout)] for names in sets] for run in answers(results, name)]


def said(ours: list[Run], theirs: list[Run]) -> str:
    gap = paired_difference(ours, theirs, REPLICATES)
    both = "" if gap.total_low is None else f", {span(gap.total_low, gap.total_high, signed=True)}"
    return f"{with_span(gap, signed=True)}{both}, p {equals(gap.p)}".replace("\u00a0", " ")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--arm", help="arm/read-out that is compared")
    parser.add_argument("--than", nargs="+", default=[], help="arms/read-outs that it is compared with")
    parser.add_argument("--study", type=Path, help="whose arms are compared with its reference, by their own read-outs")
    asked = parser.parse_args()
    if asked.study:
        found = by_study(asked.results, asked.study)
    else:
        found = differences(asked.results, asked.arm, asked.than) if asked.arm else table(asked.results)
    print(found.to_markdown(index=False))


if __name__ == "__main__":
    main()
