"""How a job's end is told where its outcome file comes late, or not at all (on a real SLURM: tests/slurm)."""

import json
import time

import pytest

from mmdino.errors import UserError
from mmdino.launch import queue, run
from mmdino.launch.command import outcome_file
from mmdino.launch.resources import Resources
from mmdino.launch.submission import store, stored

COMMAND = ["mmdino", "train"]


class Cluster:
    """SLURM as the submitter sees it, on a clock of its own: each job is over in the state that it is given."""

    def __init__(self):
        self.now = 1000.0
        self.states: list[str] = []  # of the jobs to come
        self.codes: dict[str, int] = {}  # by job
        self.taken: list[str] = []
        self.files: dict[str, tuple[float, int]] = {}  # when a job's outcome file is seen here, and its exit code
        self.folder = None

    def monotonic(self):
        return self.now

    def pause(self, seconds):
        self.now += seconds
        for number, (seen, code) in self.files.items():
            if self.now >= seen:
                outcome_file(self.folder, number).write_text(json.dumps({"exit_code": code}))

    def submit(self, task, stop):
        self.taken.append(str(11 + len(self.taken)))
        return store(task.folder, stored(task.folder), job_id=self.taken[-1], submitted=0.0)

    def jobs(self, max_age):
        lines = [f"{number}|{state}|None||" for number, state in zip(self.taken, self.states, strict=False)]
        return queue.Answer(time.time(), "\n".join(lines))


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    cluster = Cluster()
    cluster.folder = tmp_path
    monkeypatch.setattr(run, "time", cluster)
    monkeypatch.setattr(run.Stop, "pause", lambda self, seconds: cluster.pause(seconds))
    monkeypatch.setattr(run.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(run, "Room", lambda resources, together: cluster)
    monkeypatch.setattr(queue, "jobs", cluster.jobs)
    monkeypatch.setattr(queue, "ended", lambda job_id: None)
    monkeypatch.setattr(queue, "exit_code", cluster.codes.get)
    return cluster


def submit(cluster, **resources):
    run.run_job(COMMAND, cluster.folder, "job", Resources("slurm", **resources))


@pytest.mark.parametrize(("state", "code"), [("COMPLETED", 0), ("FAILED", 2)])
def test_an_outcome_that_a_slow_file_system_shows_late_is_waited_for(cluster, state, code):
    cluster.states, cluster.codes = [state], {"11": code}
    cluster.files = {"11": (1050.0, code)}
    if code:
        with pytest.raises(UserError, match="job 11 failed"):
            submit(cluster)
    else:
        submit(cluster)
    assert cluster.taken == ["11"]
    assert stored(cluster.folder).outcome == f"exit code {code}"


def test_a_job_that_completed_without_a_file_ended_well(cluster, capsys):
    cluster.states = ["COMPLETED"]
    submit(cluster)
    assert cluster.taken == ["11"]
    assert 1060 <= cluster.now < 1080
    assert "its outcome file was not seen here" in capsys.readouterr().err


def test_a_job_that_failed_without_a_file_is_not_repeated(cluster):
    cluster.states, cluster.codes["11"] = ["FAILED"], 2
    with pytest.raises(UserError, match="job 11 failed"):
        submit(cluster)
    assert cluster.taken == ["11"]
    assert cluster.now >= 1060


@pytest.mark.parametrize("state", ["NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT", "PREEMPTED", "GONE", "FAILED"])
def test_a_job_that_was_killed_is_submitted_again_soon(cluster, state):
    cluster.states, cluster.codes["11"] = [state, "COMPLETED"], 137
    cluster.files = {"12": (1000.0, 0)}
    submit(cluster)
    assert cluster.taken == ["11", "12"]
    assert cluster.now < 1030


def test_of_several_nodes_one_that_failed_is_submitted_again(cluster):
    cluster.states, cluster.codes["11"] = ["FAILED", "COMPLETED"], 1
    submit(cluster, nodes=2)
    assert cluster.taken == ["11", "12"]


def test_a_cancelled_job_is_not_repeated(cluster):
    cluster.states = ["CANCELLED"]
    with pytest.raises(UserError, match="was cancelled"):
        submit(cluster)
    assert cluster.taken == ["11"]
