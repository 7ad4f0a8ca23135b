"""`make bench`: every ratio of docs/benchmarks.md, into results/bench.json and a table.

    python benchmarks/bench.py [--quick] [--only P1 P4]

Each row is our work and the thing it replaces, timed in turn in one process (CPU seconds, one thread).
"""

import argparse
import platform
from pathlib import Path

import torch

import dryrun
import features
import regression
import resampling
import samples
import startup
import steps
from mmdino.files import write_json
from mmdino.training.record import git_commit, versions
from ratio import Row

MODULES = {"P1": samples, "P4": regression, "P5": steps, "P7": features, "P8": resampling, "P9": dryrun, "P10": startup}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small sizes, few rounds")
    parser.add_argument("--only", nargs="*", choices=MODULES, default=list(MODULES))
    parser.add_argument("--out", type=Path, default=Path("results/bench.json"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    about = {"machine": platform.processor() or platform.machine(), "versions": versions(), "commit": git_commit()}
    print(HEAD, flush=True)
    rows: list[Row] = []
    for name in given.only:
        for row in MODULES[name].rows(given.quick):
            rows.append(row)
            print(line(row), flush=True)
        write_json(given.out, {**about, "quick": given.quick, "rows": [row.as_dict() for row in rows]})


HEAD = """| # | what | ours, s | reference | its s | ratio (range) | goal | met |
|---|---|---|---|---|---|---|---|"""


def line(row: Row) -> str:
    """Return a row as Markdown."""
    return (
        f"| {row.name} | {row.what} | {row.ours:.4g} | {row.reference} | {row.theirs:.4g} "
        f"| {row.ratio:.3g} ({row.low:.3g}–{row.high:.3g}) | {row.goal} | {'yes' if row.met else '**no**'} |"
    )


if __name__ == "__main__":
    main()
