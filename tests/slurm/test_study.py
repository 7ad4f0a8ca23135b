"""A whole study through profiles/slurm gives the tables of profiles/local, byte for byte (but for what the clock said)."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from clone import filled_in, snakemake
from mmdino.files import read_json

KINDS = (
    "tables/**/*",
    "splits.tsv",
    "statistics.json",
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
    """Return every table, weight and prediction, by name."""
    paths = [path for kind in KINDS for path in results.glob(kind) if path.is_file() and path.stem != "cost"]
    return {str(path.relative_to(results)): without_cpu(path) for path in paths}


def without_cpu(path: Path) -> bytes:
    """Return a file's bytes; the table that tells each training's CPU time, without it."""
    if path.stem != "main":
        return path.read_bytes()
    if path.suffix != ".tsv":
        return re.sub(rb" *\d+ (s|min|h)\b", b"", path.read_bytes())
    rows = [line.split(b"\t") for line in path.read_bytes().splitlines()]
    column = rows[0].index(b"cpu_seconds")
    return b"\n".join(b"\t".join(row[:column] + row[column + 1 :]) for row in rows)


def partition(cluster, job):
    words = ("sacct", "--noheader", "--parsable2", "--allocations", "--format=Partition", f"--jobs={job}")
    return cluster.ask(*words)


def test_the_tables_are_the_local_ones(cluster, tmp_path):
    clones = [filled_in(tmp_path / name) for name in ("a", "b")]
    with ThreadPoolExecutor() as pool:  # while SLURM lets one wait, the other one works
        on_slurm, here = (contents(results) for results in pool.map(run, clones, ("slurm", "local")))
    assert list(clones[0].glob(".snakemake/slurm_logs/rule_preprocess_shard/**/*.log"))
    jobs = {path: read_json(path) for path in clones[0].glob("results/mini/runs/*/*/jobs/*/job.json")}
    assert {job["cluster"] for job in jobs.values()} == {"slurm"}
    places = {path.parents[3].name: partition(cluster, job["job_id"]) for path, job in jobs.items()}
    assert places == {"mm-dinov2": "gpu", "starter-frozen": "gpu", "radiomics": "cpu"}  # as slurm and slurm_cpu say
    assert len(on_slurm) > 50
    assert on_slurm == here
