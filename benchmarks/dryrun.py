"""P9: a dry run of the paper's study with every arm, beside `snakemake --version`; CPU seconds and memory.

    python benchmarks/dryrun.py

Told as well: a second one, with everything there ("Nothing to be done"), and one with ten times the shards, as many as
35,700 patients would have.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from hollow import hollow_clone, snakemake
from ratio import Row, seconds

ROUNDS = 5
LIMIT = 3.0  # s
ARMS = ("all", "ablations", "baselines")
DRY = ("-n", *ARMS)
SHARDS = "shards: 16"


def main() -> None:
    for row in rows(quick=False):
        print(f"{row.what}: {row.ratio:.2f} s ({row.low:.2f}–{row.high:.2f}) over {row.reference}, {row.theirs:.2f} s")
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB")


def rows(quick: bool) -> list[Row]:
    rounds = 1 if quick else ROUNDS
    with tempfile.TemporaryDirectory() as work:
        clone = hollow_clone(Path(work) / "clone")
        found = [beside_version("a dry run of the paper's study", clone, rounds)]
        if quick:
            return found
        code, said = snakemake(clone, *ARMS, study="paper")
        assert code == 0, said[-2000:]
        assert "Nothing to be done" in snakemake(clone, *DRY, study="paper")[1]
        found.append(beside_version("the same with everything there", clone, rounds))

        larger = hollow_clone(Path(work) / "larger")
        study = larger / "config/studies/paper.yaml"
        study.write_text(study.read_text().replace(SHARDS, SHARDS + "0"))
        return [*found, beside_version("the same with nothing there and ten times the shards", larger, rounds)]


def beside_version(what: str, clone: Path, rounds: int) -> Row:
    """Return a dry run's seconds above those of `snakemake --version`, both timed in turn."""
    pairs = [(seconds(lambda: dry_run(clone)), seconds(version)) for _ in range(rounds)]
    extra = sorted(mine - other for mine, other in pairs)
    mine, other = (sorted(column)[rounds // 2] for column in zip(*pairs))
    over = extra[rounds // 2]
    goal = f"≤ {LIMIT:g} s"
    return Row("P9", what, "`snakemake --version`", mine, other, over, extra[0], extra[-1], goal, over <= LIMIT)


def dry_run(clone: Path) -> None:
    code, said = snakemake(clone, *DRY, study="paper")
    assert code == 0, said[-2000:]


def version() -> None:
    subprocess.run([sys.executable, "-m", "snakemake", "--version"], stdout=subprocess.DEVNULL, check=True)


if __name__ == "__main__":
    main()
