"""A real training (tiny networks, the real loop and checkpoints) ends in the bytes of an undisturbed one."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from factories import tiny_study
from jobs import Run
from mmdino.tables import SPLITS, write_table
from mmdino.training.log import TIMINGS
from tiny import TINY_MM_DINOV2
from waiting import wait_until

ROOT = Path(__file__).parents[2]
WALLTIME_MINUTES = 2  # the shortest in which a slow machine also gets to train

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(1800)]


class Study:
    """A tiny study on disk, of which ``mmdino train`` runs one arm."""

    def __init__(self, folder: Path):
        self.folder = folder
        patients = tiny_study(folder)
        write_table(SPLITS, patients.splits.reset_index(drop=True), folder / "splits.tsv")
        (folder / "config" / "experiments").mkdir(parents=True)
        shutil.copy(ROOT / "config" / "experiments" / "mm-dinov2.yaml", folder / "config" / "experiments")

    def command(self, out: Path, steps: int) -> list[str]:
        study = self.folder / "config" / "studies" / f"tiny-{steps}.yaml"
        study.parent.mkdir(exist_ok=True)
        content = {
            "name": "tiny",
            "title": "Tiny",
            "cohorts": {"home": {"stage": "stripped", "path": "home"}},
            "experiments": ["mm-dinov2"],
            "methods": {"mm-dinov2": {**TINY_MM_DINOV2, "steps": steps, "evaluate_every": steps // 4}},
        }
        study.write_text(yaml.safe_dump(content))
        files = [f"--slices={self.folder / 'slices' / name}" for name in ("home", "away")]
        run = ["--experiment=mm-dinov2", "--seed=0", f"--splits={self.folder / 'splits.tsv'}", f"--out={out}"]
        return ["mmdino", "train", f"--study={study}", *run, *files]

    def undisturbed(self, steps: int) -> Path:
        """Return the folder of a run of that many steps that nobody disturbed."""
        out = self.folder / f"undisturbed-{steps}"
        if not (out / "run.json").exists():
            subprocess.run([sys.executable, "-m", *self.command(out, steps)], check=True)
        return out


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def start(cluster, study, tmp_path):
    submitters = []

    def start(steps, **options):
        slurm = {"partition": "gpu", "account": "lab", **options.pop("slurm", {})}
        command = study.command(tmp_path / "run", steps)
        run = Run(tmp_path / "run", command=command, cluster="slurm", slurm=slurm, memory_gb=2, **options)
        submitters.append(run.submit())
        return run, submitters[-1]

    yield start
    for submitter in submitters:
        submitter.kill()


def steps_of(folder):
    path = folder / "log.jsonl"
    return [json.loads(line)["step"] for line in path.read_text().splitlines()] if path.exists() else []


def without_timings(folder):
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMINGS} for line in lines]


def same_bytes(folder, other):
    assert (folder / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert without_timings(folder) == without_timings(other)


def log(run):
    return "".join(path.read_text() for path in run.jobs.glob("*_log.err"))


def training_process(run):
    """Return the number of the process that trains into the run's folder."""
    processes = psutil.process_iter(["cmdline"])
    wanted = {"mmdino", "train", f"--out={run.folder}"}
    return next(process.pid for process in processes if wanted <= set(process.info["cmdline"] or ()))


def test_walltime_reached_twice(study, start):
    seconds = json.loads((study.undisturbed(40) / "run.json").read_text())["wall_seconds"]
    steps = 4 * int(100 * WALLTIME_MINUTES / (seconds / 40) / 4)
    run, submitter = start(steps, minutes=WALLTIME_MINUTES, slurm={"signal_delay_s": 20})
    _, said = submitter.communicate(timeout=1500)
    assert submitter.returncode == 0, said
    assert log(run).count("by SIGTERM, with a checkpoint") >= 2
    assert said.count("was submitted;") == 1
    same_bytes(run.folder, study.undisturbed(steps))


@pytest.mark.parametrize("fault", ["requeue", "kill"])
def test_requeue_and_sigkill(cluster, study, start, fault):
    run, submitter = start(200)
    wait_until(lambda: 10 < len(steps_of(run.folder)) < 190, 120)
    if fault == "requeue":
        cluster.ask("scontrol", "requeue", run.record["job_id"])
    else:
        os.kill(training_process(run), signal.SIGKILL)
    _, said = submitter.communicate(timeout=300)
    assert submitter.returncode == 0, said
    assert said.count("was submitted;") == (1 if fault == "requeue" else 2)
    same_bytes(run.folder, study.undisturbed(200))


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB, of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_disk_full_while_a_checkpoint_is_written(cluster, study, tmp_path, small_disk):
    command = study.command(small_disk / "run", 200)
    run = Run(
        tmp_path / "run", command=command, cluster="slurm", slurm={"partition": "gpu", "account": "lab"}, memory_gb=2
    )
    (small_disk / "filler").write_bytes(bytes(4_000_000))
    first = run.submit()
    _, said = first.communicate(timeout=300)
    assert first.returncode == 2, said
    assert "no space is left on the disk" in said
    assert "Traceback" not in said
    (small_disk / "filler").unlink()
    second = run.submit()
    _, said = second.communicate(timeout=300)
    assert second.returncode == 0, said
    same_bytes(small_disk / "run", study.undisturbed(200))
