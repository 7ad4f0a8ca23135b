"""Runs that start together are one job array, and each of its jobs lives as one of its own would."""

import os
import signal
import subprocess

import pytest

from jobs import Run
from waiting import wait_until

pytestmark = [pytest.mark.slurm, pytest.mark.timeout(600)]


@pytest.fixture
def start(cluster, tmp_path):
    """Return a function that starts runs at the same time."""
    runs = []

    def start(count, steps):
        slurm = {"partition": "gpu", "account": "lab"}
        runs.extend(
            Run(tmp_path / f"run {number}", steps, 0.1, cluster="slurm", slurm=slurm, together=tmp_path / "arrays")
            for number in range(count)
        )
        return runs, [run.submit() for run in runs]

    yield start
    for submitter in (submitter for run in runs for submitter in run.submitters):
        if submitter.poll() is None:
            submitter.kill()


def finish(submitter):
    _, said = submitter.communicate(timeout=400)
    return submitter.returncode, said


def training(run):
    wait_until(lambda: run.starts() and (run.folder / "checkpoint.json").exists(), 120)
    return run.starts()[-1][0]


@pytest.mark.brief
def test_each_job_of_an_array_survives_by_itself(cluster, start):
    runs, submitters = start(6, 200)
    for run in runs:
        training(run)
    ids = [run.record["job_id"] for run in runs]
    arrays = {job.split("_")[0] for job in ids}
    assert len(arrays) < len(runs), ids
    by_index = sorted(runs, key=lambda run: (run.record["job_id"].split("_")[0], run.record["index"] or 0))
    quiet, requeued, killed, cancelled, watched, last = by_index
    cluster.ask("scontrol", "requeue", requeued.record["job_id"])
    os.kill(training(killed), signal.SIGKILL)
    cluster.ask("scancel", cancelled.record["job_id"])
    submitters[runs.index(watched)].kill()
    # The last job of an array has the array's own number: a requeue by that number would take all of them.
    cluster.ask("scancel", "--signal=USR2", last.record["job_id"])
    again = watched.submit()
    assert "was found" in again.stderr.readline()

    said = {run: finish(submitter) for run, submitter in zip(runs, submitters, strict=True) if run is not watched}
    assert said[cancelled][0] == 2
    assert "was cancelled (scancel)" in said[cancelled][1]
    assert finish(again)[0] == 0
    for run in (quiet, requeued, killed, last, watched):
        run.assert_as_undisturbed()
    assert [said[run][1].count("was submitted") for run in (quiet, requeued, killed, last)] == [1, 1, 2, 1]
    assert [len(run.starts()) for run in (quiet, requeued, killed, last, watched)] == [1, 2, 2, 2, 1]


@pytest.mark.alone
def test_a_limit_below_the_arrays_size_lets_them_in_by_parts(cluster, start):
    limit = ["sacctmgr", "--immediate", "--quiet", "modify", "user", "root", "set"]
    subprocess.run([*limit, "MaxSubmitJobs=2"], check=True)
    try:
        runs, submitters = start(5, 30)
        said = [finish(submitter) for submitter in submitters]
    finally:
        subprocess.run([*limit, "MaxSubmitJobs=-1"], check=True)
    assert [code for code, _ in said] == [0] * 5, said
    assert any("AssocMaxSubmitJobLimit" in text and "trying again in" in text for _, text in said)
    assert all(text.count("was submitted") == 1 for _, text in said)
    for run in runs:
        run.assert_as_undisturbed()
        assert len(run.starts()) == 1
