"""External MCC of every run of a study, by arm and set of sequences: mean over seeds, each seed's value beside it.

python benchmarks/phantom_seeds.py results/phantom
"""

import sys
from pathlib import Path

import pandas as pd
from sklearn.metrics import matthews_corrcoef

from mmdino.tables import CLASSES, PREDICTIONS, read_table, sequence_set

ALL = ("t1", "t1c", "t2", "flair")
SETS = {"all four": ALL, **{f"− {name}": tuple(s for s in ALL if s != name) for name in ("flair", "t1c", "t2")}}


def scores(path: Path) -> list[dict]:
    """Return the run's external MCC under `transfer` for each read-out and set."""
    frame = read_table(PREDICTIONS, path)
    frame = frame[(frame["split"] == "test") & (frame["protocol"] == "transfer")]
    frame = frame.assign(decided=frame[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1))
    rows = []
    for title, names in SETS.items():
        for readout, part in frame[frame["sequences"] == sequence_set(names)].groupby("readout"):
            truth = part["label"].map(CLASSES.index)
            rows.append({"set": title, "readout": readout, "mcc": matthews_corrcoef(truth, part["decided"])})
    return rows


def main() -> None:
    runs = sorted(Path(sys.argv[1]).glob("runs/*/seed-*/predictions.parquet"))
    rows = [{"arm": path.parts[-3], "seed": path.parts[-2], **row} for path in runs for row in scores(path)]
    frame = pd.DataFrame(rows)
    print("| arm | read-out | " + " | ".join(SETS) + " |")
    print("|---|---|" + "---|" * len(SETS))
    for (arm, readout), part in frame.groupby(["arm", "readout"]):
        cells = []
        for title in SETS:
            found = part[part["set"] == title].sort_values("seed")["mcc"]
            cells.append(f"{found.mean():.2f} ({', '.join(f'{value:.2f}' for value in found)})")
        print(f"| {arm} | {readout} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
