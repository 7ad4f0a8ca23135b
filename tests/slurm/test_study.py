"""A whole study through profiles/slurm gives the tables of profiles/local, byte for byte."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("config", "envs", "profiles", "src", "workflow", "pyproject.toml")
QUICK = (
    "--slurm-init-seconds-before-status-checks=1",
    "--seconds-between-status-checks=2",
    "--slurm-keep-successful-logs",
)

pytestmark = [pytest.mark.slurm, pytest.mark.study, pytest.mark.timeout(3000)]


def clone(folder):
    """Return a copy of the project with profiles/slurm filled in, and the mini study without its two native heads.

    Their chain of minutes is the same command in either profile, and each has its own test.
    """
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    study = folder / "config" / "studies" / "mini.yaml"
    settings = yaml.safe_load(study.read_text())
    del settings["cohorts"]["mini-heads"]
    study.write_text(yaml.safe_dump(settings, sort_keys=False))
    profile = folder / "profiles" / "slurm" / "config.yaml"
    text = profile.read_text().replace("account=CHANGE_ME", "account=lab")
    text = text.replace("slurm_partition=CHANGE_ME", "slurm_partition=cpu").replace(
        "partition=CHANGE_ME", "partition=gpu"
    )
    profile.write_text(text)
    return folder


def run(folder, profile, *arguments):
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--profile",
        f"profiles/{profile}",
        *arguments,
        "--config",
        "study=mini",
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    with open(folder / "snakemake.log", "w") as log:
        code = subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log, check=False).returncode
    assert code == 0, (folder / "snakemake.log").read_text()[-4000:]
    return folder / "results" / "mini"


def contents(results):
    """Return the bytes of every table and every prediction, by name."""
    kinds = (
        "tables/**/*",
        "splits.tsv",
        "cohorts/*/manifest.tsv",
        "runs/*/*/predictions.parquet",
        "runs/*/*/model.safetensors",
    )
    paths = [path for kind in kinds for path in results.glob(kind) if path.is_file()]
    return {str(path.relative_to(results)): path.read_bytes() for path in paths}


def test_the_tables_are_the_local_ones(cluster, tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    on_slurm = run(clone(tmp_path / "a"), "slurm", *QUICK)
    said = cluster.ask("sacct", "--noheader", "--parsable2", "--allocations", "--format=JobName,Partition,State")
    jobs = [line.split("|") for line in said.splitlines()]
    assert {partition for _, partition, _ in jobs} >= {"cpu", "gpu"}
    here = run(clone(tmp_path / "b"), "local")
    there = contents(on_slurm)
    assert len(there) > 10
    assert there == contents(here)
