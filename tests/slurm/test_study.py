"""A whole study through profiles/slurm gives the tables of profiles/local, byte for byte."""

import pytest

from clone import filled_in, snakemake

KINDS = (
    "tables/**/*",
    "splits.tsv",
    "cohorts/*/manifest.tsv",
    "runs/*/*/predictions.parquet",
    "runs/*/*/model.safetensors",
)

pytestmark = [pytest.mark.slurm, pytest.mark.study, pytest.mark.timeout(3000)]


def run(clone, profile):
    code, said = snakemake(clone, profile=profile)
    assert code == 0, said[-4000:]
    return clone / "results" / "mini"


def contents(results):
    """Return the bytes of every table and every prediction, by name."""
    paths = [path for kind in KINDS for path in results.glob(kind) if path.is_file()]
    return {str(path.relative_to(results)): path.read_bytes() for path in paths}


def test_the_tables_are_the_local_ones(cluster, tmp_path):
    on_slurm = run(filled_in(tmp_path / "a"), "slurm")
    said = cluster.ask("sacct", "--noheader", "--parsable2", "--allocations", "--format=JobName,Partition,State")
    jobs = [line.split("|") for line in said.splitlines()]
    assert {partition for _, partition, _ in jobs} >= {"cpu", "gpu"}
    here = run(filled_in(tmp_path / "b"), "local")
    there = contents(on_slurm)
    assert len(there) > 10
    assert there == contents(here)
