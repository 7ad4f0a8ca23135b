"""A real SLURM on loopback for the tests of this folder (`make test-slurm`)."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from jobs import JOB
from waiting import wait_until

SCRIPT = Path(__file__).parent / "cluster.sh"
NEEDED = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd")


class Cluster:
    """What tests do to the cluster."""

    def daemon(self, action: str, name: str, *signal: str) -> None:
        """Call ``start-one`` or ``kill-one`` of cluster.sh."""
        subprocess.run([SCRIPT, action, name, *signal], check=True, timeout=60)

    def ask(self, *command: str) -> str:
        """Return what a command of SLURM's says; it never blocks for ever."""
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return answer.stdout.strip()

    def queue(self) -> dict[str, str]:
        """Return the state of every job of a test that is pending or running, by its id."""
        lines = self.ask("squeue", "--noheader", f"--name={JOB}", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)

    def idle(self, node: str) -> bool:
        """Whether a node answers and has nothing to do; one that was down is taken back."""
        state = self.ask("sinfo", "--noheader", "--format=%T", f"--nodes={node}")
        if state.startswith("down"):
            self.ask("scontrol", "update", f"nodename={node}", "state=resume")
        return state == "idle"

    def clear(self) -> None:
        """Cancel what a test left behind."""
        self.ask("scancel", f"--name={JOB}")


@pytest.fixture(scope="session")
def running_cluster():
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing and (os.geteuid() != 0 or not shutil.which("apt-get")):
        pytest.skip(
            f"SLURM is not installed here ({', '.join(missing)} missing), and only root on Debian can install it"
        )
    if os.geteuid() != 0:
        pytest.skip("the loopback SLURM's daemons are started by root alone")
    ours = subprocess.run(["scontrol", "ping"], capture_output=True, check=False).returncode if not missing else 1
    started = subprocess.run([SCRIPT, "start"], stderr=subprocess.PIPE, text=True, timeout=300, check=False)
    if started.returncode:
        subprocess.run([SCRIPT, "stop"], check=False, timeout=120)
        pytest.skip(f"SLURM could not be installed or started here: {started.stderr.strip().splitlines()[-1]}")
    yield Cluster()
    if ours:  # it wasn't up before
        subprocess.run([SCRIPT, "stop"], check=True, timeout=120)


@pytest.fixture
def cluster(running_cluster):
    """The cluster, with all daemons up and no job before the test, and no job left after it."""
    subprocess.run([SCRIPT, "start"], check=True, timeout=120, stdout=subprocess.DEVNULL)
    running_cluster.clear()
    yield running_cluster
    try:
        wait_until(lambda: not running_cluster.queue(), 20, "the queue to be empty")
    finally:
        running_cluster.clear()
