"""What a cluster does to people: each fault ends in the result of an undisturbed run, with no job left and none twice.

The training is a fast one with real checkpoints (tests/jobs.py); test_training.py has faults 1, 3, 5 and 10 with a real one.
"""

import os
import signal
import subprocess
import time

import psutil
import pytest

from jobs import Run
from waiting import wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]


@pytest.fixture
def make(cluster, tmp_path):
    """Return a function that makes runs on the cluster; their submitters end with the test."""
    made = []

    def make(name="run", **options):
        slurm = {"partition": "gpu", "account": "lab", **options.pop("slurm", {})}
        made.append(Run(tmp_path / name, cluster="slurm", slurm=slurm, **options))
        return made[-1]

    yield make
    for submitter in (submitter for run in made for submitter in run.submitters):
        if submitter.poll() is None:
            submitter.kill()


def finish(submitter, seconds=300):
    _, said = submitter.communicate(timeout=seconds)
    return submitter.returncode, said


def succeeds(submitter, run, submissions=1, seconds=300):
    code, said = finish(submitter, seconds)
    assert code == 0, said
    assert said.count("was submitted") == submissions, said
    run.assert_as_undisturbed()
    return said


def training(run, start=1):
    """Return the number of the training's process once it has taken its first checkpoint of that start."""
    wait_until(lambda: len(run.starts()) >= start and (run.folder / "checkpoint.json").exists())
    time.sleep(0.5)
    return run.starts()[-1][0]


def went_on(run, starts):
    """Every start but the first one went on from a checkpoint, and none from before another's."""
    steps = [step for _, step in run.starts()]
    assert len(steps) == starts, steps
    assert steps[0] == 0
    assert steps == sorted(steps)
    assert all(step > 0 for step in steps[1:])


@pytest.mark.alone
def test_02_preemption_by_a_higher_partition(cluster, make):
    run = make(steps=150, seconds=0.1, gpus=2, slurm={"partition": "scavenge"})
    submitter = run.submit()
    training(run)
    other = make("other", gpus=2)
    succeeds(other.submit(), other)
    succeeds(submitter, run)
    went_on(run, 2)


def test_03_requeued_from_outside(cluster, make):
    run = make(steps=150, seconds=0.1)
    submitter = run.submit()
    training(run)
    cluster.ask("scontrol", "requeue", run.record["job_id"])
    succeeds(submitter, run)
    went_on(run, 2)


def test_04_cancelled_by_a_person(cluster, make):
    run, sibling = make(steps=150, seconds=0.1), make("sibling", steps=60)
    submitter, other = run.submit(), sibling.submit()
    training(run)
    cluster.ask("scancel", run.record["job_id"])
    code, said = finish(submitter)
    assert code == 2
    assert "was cancelled (scancel); start the same again" in said
    assert said.count("was submitted") == 1
    succeeds(other, sibling)
    wait_until(lambda: run.record["job_id"] not in cluster.queue())
    succeeds(run.submit(), run)
    went_on(run, 2)


def test_05_training_killed(make):
    run = make(steps=100, seconds=0.1)
    submitter = run.submit()
    os.kill(training(run), signal.SIGKILL)
    said = succeeds(submitter, run, submissions=2)
    assert "was killed (exit code 137); submitting it again" in said
    went_on(run, 2)


@pytest.mark.alone
def test_06_node_fails_and_comes_back(cluster, make):
    run = make(steps=200, seconds=0.1)
    submitter = run.submit()
    training(run)
    cluster.daemon("kill-one", "slurmd", "-KILL")
    kill_all_of(run.record["job_id"])
    wait_until(lambda: cluster.ask("sinfo", "--noheader", "--format=%T", "--partition=gpu").startswith("down"), 120)
    cluster.daemon("start-one", "slurmd")
    succeeds(submitter, run)
    went_on(run, 2)


def kill_all_of(job):
    """Kill what a failing node takes with it: SLURM's own step managers first, or they would tell of it."""
    processes = psutil.process_iter(["cmdline"])
    steps = [found for found in processes if f"slurmstepd: [{job}." in " ".join(found.info["cmdline"] or ())]
    below = [child for step in steps for child in step.children(recursive=True)]
    assert steps
    for process in [*steps, *below]:
        process.kill()


@pytest.mark.alone
def test_07_controller_down_for_a_minute(cluster, make):
    running, submitted = make("running", steps=100, seconds=0.1), make("submitted")
    first = running.submit()
    training(running)
    cluster.daemon("kill-one", "slurmctld")
    second = submitted.submit()
    time.sleep(60)
    cluster.daemon("start-one", "slurmctld")
    succeeds(first, running)
    assert "trying again in" in succeeds(second, submitted)
    went_on(running, 1)
    went_on(submitted, 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_08_the_submitter_is_told_to_stop(cluster, make, number):
    run = make(steps=100, seconds=0.1)
    first = run.submit()
    training(run)
    os.killpg(first.pid, number)
    assert finish(first, 20)[0] == 130
    wait_until(lambda: not cluster.queue(), 30)
    succeeds(run.submit(), run)
    went_on(run, 2)


@pytest.mark.alone
def test_08_the_submitter_is_killed_and_its_job_found_again(make):
    run = make(steps=100, seconds=0.1)
    first = run.submit()
    training(run)
    first.kill()
    begun = time.monotonic()
    second = run.submit()
    assert "was found" in second.stderr.readline()
    assert time.monotonic() - begun < 5
    succeeds(second, run, submissions=0)
    went_on(run, 1)


def test_08_the_submitter_is_killed_before_it_stored_the_id(cluster, make):
    run = make(steps=100, seconds=0.1)
    first = run.submit()
    training(run)
    first.kill()
    stored = (run.jobs / "job.json").read_text()
    (run.jobs / "job.json").write_text(stored.replace(f'"{run.record["job_id"]}"', "null"))
    succeeds(run.submit(), run, submissions=0)
    went_on(run, 1)


@pytest.mark.brief
def test_09_a_second_submitter_of_the_same_run(make):
    run = make(steps=60)
    submitters = [run.submit() for _ in range(3)]
    said = "".join(finish(submitter)[1] for submitter in submitters)
    assert [submitter.returncode for submitter in submitters] == [0, 0, 0], said
    assert said.count("was submitted") == 1
    run.assert_as_undisturbed()
    went_on(run, 1)


@pytest.mark.alone
def test_11_accounting_is_down(cluster, make):
    cluster.daemon("kill-one", "slurmdbd")
    good, killed, cancelled = (make(name, steps=100, seconds=0.1) for name in ("good", "killed", "cancelled"))
    submitters = [run.submit() for run in (good, killed, cancelled)]
    os.kill(training(killed), signal.SIGKILL)
    training(cancelled)
    cluster.ask("scancel", cancelled.record["job_id"])
    succeeds(submitters[0], good)
    succeeds(submitters[1], killed, submissions=2)
    code, said = finish(submitters[2])
    assert code == 2
    assert "was cancelled" in said


@pytest.mark.brief
@pytest.mark.alone
def test_12_a_held_job_and_a_drained_node_are_waited_for_and_said(cluster, make):
    node = cluster.ask("sinfo", "--noheader", "--format=%n", "--partition=gpu")
    cluster.ask("scontrol", "update", f"nodename={node}", "state=drain", "reason=test")
    run = make()
    submitter = run.submit()
    lines = []
    try:
        for line in submitter.stderr:
            lines.append(line)
            if "waits:" in line and "not looked" not in line:
                break
        cluster.ask("scontrol", "uhold", run.record["job_id"])
        resume(node)
        for line in submitter.stderr:
            lines.append(line)
            if "scontrol release" in line:
                break
    finally:
        resume(node)
    cluster.ask("scontrol", "release", run.record["job_id"])
    succeeds(submitter, run, submissions=0)
    assert any("list-reasons" in line or "DRAINED" in line for line in lines), lines


def resume(node):
    subprocess.run(["scontrol", "update", f"nodename={node}", "state=resume"], capture_output=True, check=False)


@pytest.mark.brief
@pytest.mark.alone
def test_a_limit_on_submitted_jobs_is_waited_out(cluster, make):
    subprocess.run(
        ["sacctmgr", "--immediate", "--quiet", "modify", "user", "root", "set", "MaxSubmitJobs=1"], check=True
    )
    try:
        first, second = make("first", steps=200), make("second")  # the first is still there when the second comes
        submitters = [first.submit()]
        training(first)
        submitters.append(second.submit())
        succeeds(submitters[0], first)
        assert "trying again in" in succeeds(submitters[1], second)
    finally:
        subprocess.run(
            ["sacctmgr", "--immediate", "--quiet", "modify", "user", "root", "set", "MaxSubmitJobs=-1"], check=True
        )
