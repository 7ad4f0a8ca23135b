"""The life of a job on this machine; on SLURM: tests/slurm."""

import json
import os
import signal
import sys

import psutil
import pytest

from jobs import Run
from mmdino.errors import UserError
from mmdino.launch.resources import Resources
from mmdino.launch.run import run_job
from waiting import wait_until


@pytest.fixture
def run(tmp_path):
    yield from until_its_submitters_end(Run(tmp_path / "a run"))


@pytest.fixture
def slow(tmp_path):
    yield from until_its_submitters_end(Run(tmp_path / "a run", steps=20, seconds=0.4))


def until_its_submitters_end(run):
    yield run
    for submitter in run.submitters:
        if submitter.poll() is None:
            os.killpg(submitter.pid, signal.SIGKILL)


def finish(submitter):
    _, said = submitter.communicate(timeout=120)
    return submitter.returncode, said


def test_the_id_is_stored_before_the_wait_and_the_outcome_after_it(run):
    submitter = run.submit()
    wait_until(run.starts)
    assert run.record["job_id"]
    assert run.record["outcome"] is None
    code, said = finish(submitter)
    assert code == 0, said
    assert run.record["outcome"] == "exit code 0"
    run.assert_as_undisturbed()


def test_a_killed_submitter_leaves_its_job_and_the_next_one_finds_it(run):
    first = run.submit()
    wait_until(run.starts)
    first.kill()
    code, said = finish(run.submit())
    assert code == 0, said
    assert "was found" in said
    assert len(run.starts()) == 1
    run.assert_as_undisturbed()


def test_a_job_that_ended_well_while_nobody_watched_is_not_repeated(run):
    first = run.submit()
    wait_until(run.starts)
    first.kill()
    wait_until(lambda: list(run.jobs.glob("*_outcome.json")))
    code, said = finish(run.submit())
    assert code == 0, said
    assert len(run.starts()) == 1
    assert finish(run.submit())[0] == 0  # its outcome has been taken; whoever asks now wants it anew
    assert len(run.starts()) == 2


def test_a_job_from_before_a_change_is_cancelled_and_another_one_takes_its_place(slow):
    slow.key = "before"
    first = slow.submit()
    wait_until(slow.starts)
    first.kill()
    slow.key = "after"
    code, said = finish(slow.submit())
    assert code == 0, said
    assert "before a change; cancelling it" in said
    [(training, _), _] = slow.starts()
    assert not psutil.pid_exists(training)
    assert slow.record["key"] == "after"
    slow.assert_as_undisturbed()


def test_a_job_that_ended_well_before_a_change_is_repeated(run):
    run.key = "before"
    first = run.submit()
    wait_until(run.starts)
    first.kill()
    wait_until(lambda: list(run.jobs.glob("*_outcome.json")))
    run.key = "after"
    assert finish(run.submit())[0] == 0
    assert len(run.starts()) == 2


def test_an_older_versions_job_is_waited_for(run):
    first = run.submit()
    wait_until(run.starts)
    first.kill()
    older = {name: value for name, value in run.record.items() if name != "key"}
    (run.jobs / "job.json").write_text(json.dumps(older))
    run.key = "after"
    code, said = finish(run.submit())
    assert code == 0, said
    assert "was found; waiting" in said
    assert len(run.starts()) == 1


def test_two_submitters_share_one_job(run):
    submitters = [run.submit(), run.submit()]
    assert [finish(submitter)[0] for submitter in submitters] == [0, 0]
    assert len(run.starts()) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_job_with_a_checkpoint_and_the_next_start_goes_on(run, number):
    first = run.submit()
    wait_until(run.starts)
    first.send_signal(number)
    code, said = finish(first)
    assert code == 130
    assert "cancelled" in said
    [(training, _)] = run.starts()
    assert not psutil.pid_exists(training)
    assert finish(run.submit())[0] == 0
    assert run.starts()[1][1] > 0
    run.assert_as_undisturbed()


def test_a_killed_training_goes_on_by_itself(run):
    submitter = run.submit()
    wait_until(lambda: (run.folder / "checkpoint.json").exists())
    os.kill(run.starts()[0][0], signal.SIGKILL)
    code, said = finish(submitter)
    assert code == 0, said
    assert "was killed" in said
    assert run.starts()[1][1] > 0
    run.assert_as_undisturbed()


def test_a_training_stopped_alone_is_started_again_in_the_same_job(run):
    submitter = run.submit()
    wait_until(run.starts)
    os.kill(run.starts()[0][0], signal.SIGTERM)
    code, said = finish(submitter)
    assert code == 0
    assert said.count("submitted") == 1
    run.assert_as_undisturbed()


def test_a_job_that_ended_is_not_taken_for_the_next_ones(run):
    assert finish(run.submit())[0] == 0
    assert finish(run.submit())[0] == 0
    assert len(run.starts()) == 2


def test_a_failure_is_shown_and_not_repeated(tmp_path, capsys):
    command = [sys.executable, "-c", "import sys; print('step 1 done'); sys.exit('Error: no data')"]
    with pytest.raises(UserError, match=r"failed; its log: .*\nError: no data$"):
        run_job(command, tmp_path / "jobs", "job", Resources(cluster="local"))
    assert capsys.readouterr().err.count("submitted") == 1


def test_debug_runs_here(tmp_path):
    with pytest.raises(UserError, match="exit code 3"):
        run_job([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, "job", Resources(cluster="debug"))


def test_slurm_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no `sbatch` on PATH"):
        run_job(["true"], tmp_path / "jobs", "job", Resources(cluster="slurm"))


def test_a_pattern_in_the_path_is_refused(tmp_path):
    with pytest.raises(UserError, match="choose a path without it"):
        run_job(["true"], tmp_path / "100%", "job", Resources(cluster="local"))
