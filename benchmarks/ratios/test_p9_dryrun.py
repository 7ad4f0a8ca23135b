"""P9: a dry run of the paper's study with every arm, beside `snakemake --version`; `-s` prints its peak memory.

Told as well: a second one, with everything there ("Nothing to be done"), and one with ten times the shards, as many as
35,700 patients would have.
"""

import resource
import subprocess
import sys

import pytest

from goals import seconds_over
from hollow import hollow_clone, snakemake

ARMS = ("all", "ablations", "baselines")
DRY = ("-n", *ARMS)
SHARDS = "shards: 16"


@pytest.fixture
def beside_version(beside, quick):
    def compare(what, clone):
        beside(
            *("P9", what, "`snakemake --version`"),
            lambda: dry_run(clone),
            version,
            seconds_over(3, guard=20),
            rounds=1 if quick else 5,
        )

    return compare


def test_p9_the_papers_study(beside_version, tmp_path):
    beside_version("a dry run of the paper's study", hollow_clone(tmp_path))
    print(f"peak memory: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024:.0f} MB")


@pytest.mark.whole
def test_p9_with_nothing_to_be_done(beside_version, tmp_path):
    clone = hollow_clone(tmp_path)
    code, said = snakemake(clone, *ARMS, study="paper")
    assert code == 0, said[-2000:]
    assert "Nothing to be done" in snakemake(clone, *DRY, study="paper")[1]
    beside_version("the same with everything there", clone)


@pytest.mark.whole
def test_p9_with_ten_times_the_shards(beside_version, tmp_path):
    clone = hollow_clone(tmp_path)
    study = clone / "config/studies/paper.yaml"
    study.write_text(study.read_text().replace(SHARDS, SHARDS + "0"))
    beside_version("the same with nothing there and ten times the shards", clone)


def dry_run(clone) -> None:
    code, said = snakemake(clone, *DRY, study="paper")
    assert code == 0, said[-2000:]


def version() -> None:
    subprocess.run([sys.executable, "-m", "snakemake", "--version"], stdout=subprocess.DEVNULL, check=True)
