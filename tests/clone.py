"""A clone of the project with profiles/slurm filled in, and Snakemake in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PARTS = ("config", "envs", "profiles", "src", "workflow", "pyproject.toml")
QUICK = (
    "--slurm-init-seconds-before-status-checks=1",
    "--seconds-between-status-checks=2",
    "--slurm-keep-successful-logs",
)


def filled_in(folder: Path, account: str = "lab", partition: str = "cpu") -> Path:
    """Return a clone of which the mini study lacks its two native heads, whose chain of minutes is the same in either profile."""
    folder.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    study = folder / "config" / "studies" / "mini.yaml"
    settings = yaml.safe_load(study.read_text())
    del settings["cohorts"]["mini-heads"]
    study.write_text(yaml.safe_dump(settings, sort_keys=False))
    fill_in(folder / "profiles" / "slurm" / "config.yaml", account, partition)
    jobs = folder / "profiles" / "slurm" / "jobs.yaml"
    fill_in(jobs, "lab", "gpu")
    text = jobs.read_text().replace("cpus: 4", "cpus: 1")  # as in profiles/local: threads share out sums
    jobs.write_text(text.replace("# slurm_cpu:", "slurm_cpu:"))
    return folder


def fill_in(path: Path, account: str, partition: str) -> None:
    text = path.read_text().replace("account=CHANGE_ME", f"account={account}")
    path.write_text(text.replace("partition=CHANGE_ME", f"partition={partition}"))


def snakemake(clone: Path, *words: str, profile: str = "slurm") -> tuple[int, str]:
    """Run the mini study, or files of it; ``name=value`` among the words is configuration. Return exit code and output."""
    config = ["study=mini", *(word for word in words if "=" in word and not word.startswith("-"))]
    options = [word for word in words if word not in config]
    quick = QUICK if profile == "slurm" else ()
    command = [sys.executable, "-m", "snakemake", "--profile", f"profiles/{profile}", *options, *quick]
    environment = {**os.environ, "PYTHONPATH": str(clone / "src")}
    with open(clone / "snakemake.log", "w") as log:
        code = subprocess.run(
            [*command, "--config", *config], cwd=clone, env=environment, stdout=log, stderr=log, check=False
        ).returncode
    return code, (clone / "snakemake.log").read_text()
