"""A real training (tiny networks, the real loop and checkpoints) ends in the bytes of an undisturbed one."""

import os
import signal
import socket
import subprocess

import psutil
import pytest

from jobs import Run
from studies import Study, log_of
from waiting import wait_until

STEPS = 160
SLURM = {"partition": "gpu", "account": "lab"}

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def start(cluster, study, tmp_path):
    """Return a function that starts a training under conditions of ``tests/disturbed.py``."""
    submitters = []

    def start(name, condition, slurm=None, **options):
        command = study.command(tmp_path / name, STEPS, **condition)
        options = {"cluster": "slurm", "memory_gb": 2, "slurm": {**SLURM, **(slurm or {})}, **options}
        run = Run(tmp_path / name, command=command, **options)
        submitters.append(run.submit())
        return run, submitters[-1]

    yield start
    for submitter in submitters:
        submitter.kill()


def finish(submitter, seconds=900):
    _, said = submitter.communicate(timeout=seconds)
    return submitter.returncode, said


def same_bytes(folder, other):
    assert (folder / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert log_of(folder) == log_of(other)


def log(run):
    return "".join(path.read_text() for path in run.jobs.glob("*_log.err"))


def processes_of(run):
    """Return the processes that train into the run's folder, the first started first."""
    wanted = {"train", f"--out={run.folder}"}
    found = [process for process in psutil.process_iter(["cmdline"]) if wanted <= set(process.info["cmdline"] or ())]
    return sorted(found, key=psutil.Process.create_time)


def underway(run):
    wait_until(lambda: 10 < len(log_of(run.folder)) < STEPS - 10, 300)


def test_walltime_twice_requeue_and_sigkill(cluster, study, start):
    # SLURM warns 20 to 50 s before the end of two minutes, which do not hold 160 steps of 1.2 s.
    late, on_time = start("walltime", {"slow_twice": 1.2}, minutes=2, slurm={"signal_delay_s": 20})
    requeued, after_requeue = start("requeued", {"slow": 0.2})
    killed, after_kill = start("killed", {"slow": 0.2})
    underway(requeued)
    cluster.ask("scontrol", "requeue", requeued.record["job_id"])
    underway(killed)
    processes_of(killed)[0].kill()
    undisturbed = study.undisturbed(STEPS)
    for run, submitter, submissions in ((requeued, after_requeue, 1), (killed, after_kill, 2), (late, on_time, 1)):
        code, said = finish(submitter)
        assert code == 0, said
        assert said.count("was submitted;") == submissions, said
        same_bytes(run.folder, undisturbed)
    assert log(late).count("by SIGTERM, with a checkpoint") >= 2


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 4 MB, of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(disk)], check=True)
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_disk_full_while_a_checkpoint_is_written(cluster, study, tmp_path, small_disk):
    command = study.command(small_disk / "run", STEPS)
    run = Run(tmp_path / "run", command=command, cluster="slurm", slurm=SLURM, memory_gb=2)
    (small_disk / "filler").write_bytes(bytes(4_000_000))
    code, said = finish(run.submit())
    assert code == 2, said
    assert "no space is left on the disk" in said
    assert "Traceback" not in said
    (small_disk / "filler").unlink()
    code, said = finish(run.submit())
    assert code == 0, said
    same_bytes(small_disk / "run", study.undisturbed(STEPS))


@pytest.fixture(scope="module")
def second_node(running_cluster):
    """A second node of the cluster, on this machine, for the tests of this file that need one."""
    node = f"{socket.gethostname().split('.')[0]}-b"
    running_cluster.daemon("start-one", "slurmd-b")
    running_cluster.ask("scontrol", "update", "partitionname=pair", "state=up")
    wait_until(lambda: running_cluster.idle(node), 60, f"{node} to be idle")
    yield
    left = ("squeue", "--noheader", f"--nodelist={node}")
    wait_until(lambda: not running_cluster.ask(*left), 60, f"{node} to be left")  # or its job ends for no one to hear
    running_cluster.daemon("kill-one", "slurmd-b")


@pytest.mark.xdist_group("second node")
def test_two_nodes_train_as_one_and_go_on_after_a_warning(cluster, second_node, study, start):
    run, submitter = start("nodes", {"slow": 0.2}, nodes=2, cpus=1, slurm={"partition": "pair"})
    underway(run)
    assert len(processes_of(run)) == 2
    cluster.ask("scancel", "--signal=USR2", run.record["job_id"])
    code, said = finish(submitter)
    assert code == 0, said
    assert said.count("was submitted;") == 1
    assert log(run).count("by SIGTERM, with a checkpoint") == 2  # each node's
    for ours, theirs in zip(log_of(run.folder), log_of(study.undisturbed(STEPS)), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=0.02)


@pytest.mark.xdist_group("second node")
def test_a_node_that_loses_its_process_ends_the_job_which_is_submitted_again(cluster, second_node, start):
    run, submitter = start("lost", {"slow": 0.2}, nodes=2, cpus=1, slurm={"partition": "pair"})
    underway(run)
    os.kill(processes_of(run)[-1].pid, signal.SIGKILL)
    code, said = finish(submitter)
    assert code == 0, said
    assert said.count("was submitted;") == 2
    assert "was killed (exit code 137); submitting it again" in said
