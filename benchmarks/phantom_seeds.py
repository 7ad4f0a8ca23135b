"""External MCC of every run of a study: mean over seeds, each seed's value beside it; and what an arm has over another.

python benchmarks/phantom_seeds.py results/phantom
python benchmarks/phantom_seeds.py results/phantom --arm mm-dinov2/cls --than starter-frozen/cls supervised-vit/head
"""

import argparse
from pathlib import Path

import pandas as pd

from mmdino.evaluation.compare import Run, paired_difference
from mmdino.evaluation.metrics import confusion, mcc
from mmdino.evaluation.predictions import Answers, Place, group, read_predictions
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
                each = [score(run[place(names, readout)]) for run in runs]
                row[title] = f"{sum(each) / len(each):.2f} ({', '.join(f'{value:.2f}' for value in each)})"
            rows.append(row)
    return pd.DataFrame(rows)


def score(given: Answers) -> float:
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


def cases(results: Path, arm: str, sets) -> list[Run]:
    name, readout = arm.split("/")
    return [[run[place(names, readout)] for names in sets] for run in answers(results, name)]


def said(ours: list[Run], theirs: list[Run]) -> str:
    gap = paired_difference(ours, theirs, REPLICATES)
    both = "" if gap.total_low is None else f", [{gap.total_low:+.2f}, {gap.total_high:+.2f}]"
    return f"{gap.value:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}]{both}, p = {gap.p:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--arm", help="arm/read-out that is compared")
    parser.add_argument("--than", nargs="+", default=[], help="arms/read-outs that it is compared with")
    asked = parser.parse_args()
    found = differences(asked.results, asked.arm, asked.than) if asked.arm else table(asked.results)
    print(found.to_markdown(index=False))


if __name__ == "__main__":
    main()
