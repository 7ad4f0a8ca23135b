"""What `mmdino submit` costs on the loopback SLURM: at a job's beginning and end, while many wait, and when it finds a job again.

    python benchmarks/submit.py [--waiting 100] [--seconds 120]

As root on Debian, with nothing else on that cluster (tests/slurm/cluster.sh starts it). Prints JSON. SLURM's commands are
counted by scripts of the same names in front of them on PATH.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from mmdino.files import read_json
from mmdino.launch.command import outcome_file
from mmdino.training.record import git_commit

CLUSTER = Path(__file__).parents[1] / "tests" / "slurm" / "cluster.sh"
COUNTED = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo")
COUNTER = '#!/bin/sh\necho {name} >> "{calls}"\nexec {program} "$@"\n'
WORK = ["--help"]  # what the jobs do: the shortest verb
SLURM = ["--cluster=slurm", "--slurm=account=lab", "--slurm=partition=gpu", "--memory-gb=1", "--gpus=1", "--minutes=30"]
ROUNDS = 7
SETTLED_SECONDS = 30


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=100, help="submitters at once")
    parser.add_argument("--seconds", type=int, default=120, help="for which they are watched")
    given = parser.parse_args()
    subprocess.run([CLUSTER, "start"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="mmdino-bench-") as work:
        folder = Path(work)
        count_calls(folder)
        found = {
            "machine": f"{processor()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
            "commit": git_commit(),
            **overhead(folder),
            **waiting(folder, given.waiting, given.seconds),
        }
    print(json.dumps(found, indent=1))


def overhead(folder: Path) -> dict[str, list[float]]:
    """Return the seconds of `mmdino submit` before and after the job's own, which is timed without it too."""
    begin, end = [], []
    for number in range(ROUNDS):
        jobs = folder / f"job-{number}"
        own = timed([sys.executable, "-m", "mmdino", *WORK])
        begun = time.time()
        subprocess.run(submission(jobs), check=True, capture_output=True)
        ended = time.time()
        done = outcome_file(jobs, read_json(jobs / "job.json")["job_id"]).stat().st_mtime
        begin.append(round(done - begun - own, 2))
        end.append(round(ended - done, 2))
    return {"seconds at submit": begin, "seconds at the end": end}


def waiting(folder: Path, count: int, seconds: int) -> dict[str, float | dict[str, int]]:
    """Return what submitters cost while their jobs wait, and how long one takes to find the job of a killed one."""
    subprocess.run(["scontrol", "update", "partitionname=gpu", "state=down"], check=True)
    all_jobs = [folder / f"run-{number}" for number in range(count)]
    together = folder / "arrays"
    submitters = [start(jobs, together) for jobs in all_jobs]
    try:
        while not all((jobs / "job.json").exists() and read_json(jobs / "job.json")["job_id"] for jobs in all_jobs):
            time.sleep(1)
        time.sleep(SETTLED_SECONDS)
        calls, before, begun = counted(folder), cpu(submitters), time.monotonic()
        time.sleep(seconds)
        lasted = time.monotonic() - begun
        used, asked = cpu(submitters) - before, counted(folder)
        again = reattached(submitters, all_jobs, together)
        return {
            "waiting": count,
            "percent of a core": round(100 * used / lasted, 2),
            "queries": {name: asked[name] - calls[name] for name in COUNTED if asked[name] > calls[name]},
            "seconds": round(lasted, 1),
            "MB each": round(
                statistics.mean(psutil.Process(one.pid).memory_full_info().uss for one in submitters) / 1e6
            ),
            "seconds to find a job again": again,
        }
    finally:
        for submitter in submitters:
            submitter.terminate()
        for submitter in submitters:
            submitter.wait()
        subprocess.run(["scontrol", "update", "partitionname=gpu", "state=up"], check=True)


def reattached(submitters: list[subprocess.Popen], all_jobs: list[Path], together: Path) -> list[float]:
    """Kill some submitters and return the seconds until another one waits for the same job."""
    seconds = []
    for number in range(ROUNDS):
        submitters[number].kill()
        submitters[number].wait()
        begun = time.monotonic()
        submitters[number] = start(all_jobs[number], together, stderr=subprocess.PIPE)
        assert "was found" in submitters[number].stderr.readline()
        seconds.append(round(time.monotonic() - begun, 2))
    return seconds


def submission(jobs: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "mmdino",
        "submit",
        f"--name={jobs.name}",
        f"--jobs={jobs}",
        *SLURM,
        *options,
        "--",
        *WORK,
    ]


def start(jobs: Path, together: Path, stderr: int = subprocess.DEVNULL) -> subprocess.Popen:
    return subprocess.Popen(submission(jobs, f"--together={together}"), stderr=stderr, text=True)


def cpu(submitters: list[subprocess.Popen]) -> float:
    """Return the CPU seconds of the submitters and of the commands that they ran."""
    return sum(sum(psutil.Process(submitter.pid).cpu_times()[:4]) for submitter in submitters)


def timed(command: list[str]) -> float:
    begun = time.time()
    subprocess.run(command, check=True, capture_output=True)
    return time.time() - begun


def count_calls(folder: Path) -> None:
    """Put commands on PATH that note each call and do what SLURM's do."""
    bin = folder / "bin"
    bin.mkdir()
    for name in COUNTED:
        script = bin / name
        script.write_text(COUNTER.format(name=name, calls=folder / "calls", program=shutil.which(name)))
        script.chmod(0o755)
    (folder / "calls").touch()
    os.environ["PATH"] = f"{bin}:{os.environ['PATH']}"


def counted(folder: Path) -> dict[str, int]:
    calls = (folder / "calls").read_text().split()
    return {name: calls.count(name) for name in COUNTED}


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(line.split(": ")[1] for line in lines if line.startswith("model name"))


if __name__ == "__main__":
    main()
