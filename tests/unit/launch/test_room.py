"""Runs that start together, and a SLURM that takes some of them, later, or none (on a real one: tests/slurm/test_arrays.py)."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from mmdino.errors import UserError
from mmdino.launch import queue, room
from mmdino.launch.executor import Refused, Task
from mmdino.launch.resources import Resources
from mmdino.launch.room import Room
from mmdino.launch.stop import Stop
from mmdino.launch.submission import Submission, store, stored


class Slurm:
    """Takes what it is given, unless ``refuses`` says why not; remembers every array or job that came."""

    def __init__(self):
        self.taken: list[list[Task]] = []
        self.comments: list[str] = []
        self.tries = 0
        self.refuses = lambda tasks: ""
        self.answers = True

    def submit(self, tasks, folder, resources, comment):
        self.tries += 1
        said = self.refuses(tasks)
        if said:
            raise Refused(said)
        self.taken.append(tasks)
        self.comments.append(comment)
        if not self.answers:
            raise Refused("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
        return list(self.jobs_of(len(self.taken) - 1))

    def jobs_of(self, number):
        tasks, comment = self.taken[number], self.comments[number]
        names = [str(100 + number)] if len(tasks) == 1 else [f"{100 + number}_{index}" for index in range(len(tasks))]
        return {name: queue.Job("PENDING", comment=comment) for name in names}

    def jobs(self, max_age):
        found = {}
        for number in range(len(self.taken)):
            found |= self.jobs_of(number)
        lines = ["|".join([name, job.state, job.reason, job.node, job.comment]) for name, job in found.items()]
        return queue.Answer(time.time(), "\n".join(lines))


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    for name, seconds in (("QUIET_SECONDS", 0.5), ("FIRST_WAIT", 0.05), ("LOOK_SECONDS", 0.02)):
        monkeypatch.setattr(room, name, seconds)
    slurm = Slurm()
    monkeypatch.setattr(room, "submit", slurm.submit)
    monkeypatch.setattr(queue, "jobs", slurm.jobs)
    return slurm


def a_task(folder, number):
    task = Task(["true"], folder / str(number), f"run-{number}")
    store(task.folder, Submission("slurm", task.command))
    return task


def all_at_once(tmp_path, count, together=True):
    """Return what became of ``count`` runs that start together: their job or the error, by their number."""

    tasks = [a_task(tmp_path, number) for number in range(count)]
    begin = Barrier(count)

    def one(number):
        begin.wait()
        try:
            return Room(Resources("slurm"), tmp_path / "arrays" if together else None).submit(tasks[number], Stop())
        except UserError as error:
            return str(error)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_runs_that_start_together_are_one_array_and_each_knows_its_own_job(slurm, tmp_path):
    jobs = all_at_once(tmp_path, 20)
    [tasks] = slurm.taken
    assert len(tasks) == 20
    for number, job in enumerate(jobs):
        assert job.job_id == f"100_{job.index}"
        assert tasks[job.index].name == f"run-{number}"
        assert stored(tmp_path / str(number)) == job


def test_a_run_without_companions_is_a_job_of_its_own(slurm, tmp_path):
    [job] = all_at_once(tmp_path, 1)
    assert (job.job_id, job.index) == ("100", None)
    assert {job.job_id for job in all_at_once(tmp_path, 3, together=False)} == {"101", "102", "103"}


def test_where_slurm_takes_fewer_they_go_in_by_parts_and_none_twice(slurm, tmp_path):
    slurm.refuses = lambda tasks: "sbatch: error: AssocMaxSubmitJobLimit" if len(tasks) > 3 else ""
    jobs = all_at_once(tmp_path, 10)
    assert sorted(task.name for tasks in slurm.taken for task in tasks) == [f"run-{number}" for number in range(10)]
    assert len({job.job_id for job in jobs}) == 10


def test_a_refusal_that_passes_is_waited_out_by_all_with_one_try_for_all_and_said(slurm, tmp_path, capsys):
    slurm.refuses = lambda tasks: "sbatch: error: QOSMaxSubmitJobPerUserLimit" if slurm.tries < 5 else ""
    jobs = all_at_once(tmp_path, 4)
    assert len({job.job_id for job in jobs}) == 4
    assert slurm.tries < 12  # 4, 2, 1 jobs refused, then again after a while: not each of the four by itself
    assert "run-0: SLURM takes no job now (QOSMaxSubmitJobPerUserLimit); trying again in" in capsys.readouterr().err


def test_a_refusal_for_good_is_everybodys_in_slurms_words(slurm, tmp_path):
    slurm.refuses = lambda tasks: "sbatch: error: invalid partition specified: gpuu"
    errors = all_at_once(tmp_path, 4)
    assert all("refused the job: invalid partition specified: gpuu; name one that `sinfo" in error for error in errors)
    assert slurm.tries <= 4
    assert not list(tmp_path.glob("*/job.json"))


def test_an_array_whose_answer_was_lost_is_found_and_not_submitted_again(slurm, tmp_path):
    slurm.answers = False
    jobs = all_at_once(tmp_path, 4)
    assert len(slurm.taken) == 1
    assert sorted(job.job_id for job in jobs) == ["100_0", "100_1", "100_2", "100_3"]


def test_the_submitters_death_after_sbatch_leaves_no_job_that_nobody_finds(slurm, tmp_path):
    slurm.taken.append([a_task(tmp_path, 0), a_task(tmp_path, 1)])
    slurm.comments.append("mmdino-x")
    store(tmp_path / "1", Submission("slurm", ["true"]), comment="mmdino-x", index=1)  # what the dead one wrote before
    job = Room(Resources("slurm"), tmp_path / "arrays").submit(Task(["true"], tmp_path / "1", "run-1"), Stop())
    assert job.job_id == "100_1"
    assert slurm.tries == 0


def test_who_is_told_to_stop_leaves_before_it_is_submitted(slurm, tmp_path):
    stop = Stop()
    stop.received = signal.SIGINT
    assert Room(Resources("slurm"), tmp_path / "arrays").submit(a_task(tmp_path, 0), stop) is None
    assert slurm.tries == 0
    assert not list(tmp_path.glob("mmdino-*/room-*/ticket-*"))


def test_the_ticket_of_a_dead_submitter_is_not_submitted(slurm, tmp_path):
    place = Room(Resources("slurm"), tmp_path / "arrays")
    dead = a_task(tmp_path, 7)
    owner = {"host": "here", "pid": 2**22 + 1, "started": 0.0, "job": None}
    ticket = {"command": dead.command, "folder": str(dead.folder), "name": dead.name, "owner": owner}
    (place.folder / "ticket-7").write_text(json.dumps(ticket))
    all_at_once(tmp_path, 2)
    assert sorted(task.name for tasks in slurm.taken for task in tasks) == ["run-0", "run-1"]
