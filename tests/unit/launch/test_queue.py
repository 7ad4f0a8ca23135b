import json
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from mmdino.errors import UserError
from mmdino.launch import queue, run, words
from mmdino.launch.command import outcome_file
from mmdino.launch.executor import Task
from mmdino.launch.resources import Resources
from mmdino.launch.stop import Stop
from mmdino.launch.submission import Submission, store

LINES = "echo '12|RUNNING|None|node1|mmdino-a'; echo '13_2|PENDING|Resources||mmdino-b|with a bar'; echo '9|COMPLETED|None|n|'"


def test_jobs_are_read_with_state_reason_node_and_comment(slurm):
    slurm(LINES)
    jobs = queue.jobs(10).jobs
    assert jobs["12"] == queue.Job("RUNNING", "None", "node1", "mmdino-a")
    assert jobs["13_2"].comment == "mmdino-b|with a bar"
    assert [jobs[name].alive for name in ("12", "13_2", "9")] == [True, True, False]


def test_one_job_is_found_by_its_whole_id_and_alone(slurm):
    slurm(LINES)
    queue.jobs(10)
    answer = queue.jobs(10)  # as another process left it
    for number, job in answer.jobs.items():
        assert answer.job(number) == job
    for number in ("2", "1", "13", "13_", "RUNNING", ""):
        assert answer.job(number) is None, number


def test_a_hundred_waiters_ask_once(slurm):
    asked = slurm(LINES)
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: queue.jobs(10), range(100)))
    assert asked() == 1
    assert len({answer.asked for answer in answers}) == 1


def test_those_who_wait_for_an_answer_share_the_next_one(slurm):
    asked = slurm("sleep 1; " + LINES)
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda _: queue.jobs(0), range(20)))
    assert asked() <= 3  # that of the first, and that of all who came while it was asked


def test_an_answer_that_is_too_old_is_asked_for_again(slurm):
    asked = slurm(LINES)
    first = queue.jobs(10)
    assert queue.jobs(time.time() - first.asked + 5).asked == first.asked
    assert queue.jobs(0).asked > first.asked
    assert asked() == 2


def test_what_another_version_stored_is_asked_for_again(slurm):
    asked = slurm(LINES)
    path = queue.folder_of_this_user() / queue.ANSWER
    about = {"asked": time.time(), "answered": True, "error": ""}
    for head in (about, about | {"format": "%i|%T"}):
        path.write_text(f"{json.dumps(head)}\n12|RUNNING\n")
        assert queue.jobs(10).jobs["12"].node == "node1"
    assert asked() == 2


def test_a_controller_that_is_down_is_no_answer_and_is_not_asked_by_everybody(slurm):
    asked = slurm("echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1")
    answers = [queue.jobs(10) for _ in range(5)]
    assert asked() == 1
    assert all(answer.jobs is None and "Unable to contact" in answer.error for answer in answers)
    assert queue.job_alive("12") is None


def test_a_controller_that_complains_and_then_says_nothing_is_no_answer(slurm, monkeypatch):
    monkeypatch.setattr(queue, "PATIENCE", 0.2)
    slurm("echo 'squeue: error: slurm_receive_msg: Connection timed out' >&2; exec sleep 60")
    assert queue.jobs(10).error == "squeue: error: slurm_receive_msg: Connection timed out"
    assert queue.jobs(10).jobs is None


@pytest.mark.parametrize("printed", [b"scancel: error: Connection timed out\n", None])
def test_a_cancellation_without_an_answer_is_tried_again(monkeypatch, printed):
    tries = []

    def cancel(job_id):
        tries.append(job_id)
        if len(tries) == 1:
            raise subprocess.TimeoutExpired(["scancel", job_id], 30, stderr=printed)

    monkeypatch.setattr(queue, "cancel", cancel)
    monkeypatch.setattr(run.time, "sleep", lambda seconds: None)
    run._cancel(Submission("slurm", ["true"], job_id="12"))
    assert tries == ["12", "12"]


def test_the_exit_code_is_the_controllers_else_accountings(slurm, tmp_path):
    slurm(LINES)
    for name, said in (("scontrol", "JobId=12 JobState=FAILED ExitCode=137:0 DerivedExitCode=0:0"), ("sacct", "9:0")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\necho '{said}'\n")
        (tmp_path / "bin" / name).chmod(0o755)
    assert queue.exit_code("12") == 137
    (tmp_path / "bin" / "scontrol").write_text("#!/bin/sh\necho 'Invalid job id specified' >&2\nexit 1\n")
    assert queue.exit_code("12") == 9
    (tmp_path / "bin" / "sacct").write_text("#!/bin/sh\nexit 1\n")
    assert queue.exit_code("12") is None


def test_a_user_who_has_logged_out_has_a_folder_all_the_same(slurm, monkeypatch, tmp_path):
    asked = slurm(LINES)
    monkeypatch.setattr(queue.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "removed at logout"))
    assert [queue.jobs(10).jobs.keys() for _ in range(2)] == 2 * [{"12", "13_2", "9"}]
    assert asked() == 1
    assert queue.folder_of_this_user() == tmp_path / f"mmdino-{os.getuid()}"


def test_a_job_that_the_queue_does_not_hold_is_not_alive(slurm):
    slurm(LINES)
    assert [queue.job_alive(number) for number in ("12", "9", "77")] == [True, False, False]


def test_a_job_that_began_since_the_queue_was_asked_is_not_taken_for_gone(slurm):
    slurm("true")
    assert queue.jobs(10).jobs == {}
    slurm(LINES)
    assert queue.job_alive("12") is True
    assert queue.job_alive("12_0") is False


def test_a_job_that_another_submitter_has_just_sent_is_found(slurm, tmp_path):
    slurm("true")
    queue.jobs(10)  # somebody's look, just before that job
    slurm(LINES)
    sent = store(tmp_path, Submission("slurm", ["true"], comment="mmdino-a", job_id="12", submitted=time.time()))
    with Stop() as stop:
        assert run._find(Task(["true"], tmp_path, "run"), Resources("slurm"), stop) == sent


def left_behind(folder, **changes):
    job = Submission("slurm", ["true"], comment="mmdino-a", job_id="12", submitted=time.time(), key="before")
    return store(folder, job, **changes)


def find(folder, cluster, key="before"):
    with Stop() as stop:
        return run._find(Task(["true"], folder, "run", key), Resources(cluster), stop)


def test_a_job_from_before_a_change_is_cancelled_and_gone_before_another_one_is_submitted(slurm, tmp_path, monkeypatch):
    monkeypatch.setattr(run, "LAG_SECONDS", 0)
    asked = slurm(f"test -e {tmp_path}/cancelled && test $(wc -l < {tmp_path}/asked) -gt 3 || {{ {LINES}; }}")
    (tmp_path / "bin" / "scancel").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/cancelled\n')
    (tmp_path / "bin" / "scancel").chmod(0o755)
    left_behind(tmp_path)
    assert find(tmp_path, "slurm", "after") is None
    assert set((tmp_path / "cancelled").read_text().split()) == {"12"}
    assert asked() == 4  # it took a while to end


@pytest.mark.parametrize("said", [None, "echo 'squeue: fatal: Could not establish a configuration source' >&2; exit 1"])
def test_a_job_of_slurms_that_this_machine_cannot_ask_for_is_named(slurm, tmp_path, monkeypatch, said):
    if said:
        slurm(said)
    else:
        monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    left_behind(tmp_path)
    with pytest.raises(UserError, match=rf"{tmp_path}/job.json: job 12 was given to SLURM.*delete that file"):
        find(tmp_path, "local")


def test_what_slurm_was_never_asked_to_take_is_no_job(slurm, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    left_behind(tmp_path, comment="", job_id=None)
    assert find(tmp_path, "local") is None


@pytest.mark.parametrize("code", [0, 2])
def test_a_job_of_slurms_that_left_its_exit_code_needs_no_slurm(slurm, tmp_path, monkeypatch, code):
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    job = left_behind(tmp_path)
    outcome_file(tmp_path, "12").write_text(json.dumps({"exit_code": code}))
    assert find(tmp_path, "local") == (None if code else job)


@pytest.mark.parametrize(
    ("said", "passing"),
    [
        ("sbatch: error: AssocMaxSubmitJobLimit\nsbatch: error: Batch job submission failed: Job violates accounting", True),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", True),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", True),
        ("sbatch: error: invalid partition specified: gpuu", False),
        ("sbatch: error: Batch job submission failed: Invalid account or account/partition combination specified", False),
    ],
)  # fmt: skip
def test_refusals_that_pass_are_told_from_those_that_do_not(said, passing):
    assert words.passes(words.last_words(said)) is passing


def test_slurms_words_are_kept_and_what_to_do_is_added():
    said = words.last_words(
        "sbatch: error: invalid partition specified: gpuu\nsbatch: error: Batch job submission failed: Invalid partition"
    )
    assert said.startswith("invalid partition specified: gpuu")
    assert "sinfo --summarize" in words.advice(said)
    assert words.why_waiting("7", "JobHeldUser") == "held by you: `scontrol release 7` lets it go on (JobHeldUser)"
    assert "list-reasons" in words.why_waiting("7", "ReqNodeNotAvail, UnavailableNodes:n1")
    assert words.why_waiting("7", "SomethingNew") == "SomethingNew"
