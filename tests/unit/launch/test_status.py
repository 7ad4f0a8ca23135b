import json
import re
import time
from dataclasses import asdict, replace

import pytest
from rich.console import Console

from mmdino.config import load_study
from mmdino.errors import UserError
from mmdino.launch import queue, status
from mmdino.launch.submission import Submission


@pytest.fixture
def loaded():
    return load_study("config/studies/mini.yaml")


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


def write_run(results, name, files=(), log=(), job=None, step="train", said=""):
    folder = results / "runs" / name / "seed-0"
    (folder / "jobs" / step).mkdir(parents=True)
    for file in files:
        (folder / file).write_text("{}")
    if log:
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    if job:
        (folder / "jobs" / step / "job.json").write_text(json.dumps(asdict(job)))
        (folder / "jobs" / step / f"{job.job_id}_submission.sh").write_text("")
        (folder / "jobs" / step / f"{job.job_id}_0_log.err").write_text(said)


def write_job(results, name, step, job):
    folder = results / "runs" / name / "seed-0" / "jobs" / step
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "job.json").write_text(json.dumps(asdict(job)))


def slurm_job(number, outcome=None):
    return Submission("slurm", ["mmdino", "train"], f"mmdino-{number}", None, number, None, time.time(), outcome)


@pytest.fixture
def asked(monkeypatch):
    """SLURM as it answers: a job runs, one waits; accounting counted two attempts of the first on two GPUs."""
    asked = []
    said = "11|RUNNING|None|node7|\n12|PENDING|Resources||\n"

    def squeue(max_age):
        asked.append("squeue")
        return queue.Answer(time.time(), said)

    def sacct(numbers, fields, *options):
        asked.append("sacct")
        return "11|3600|cpu=4,gres/gpu=2\n11|1800|cpu=4,gres/gpu=2\n12|0|\n"

    monkeypatch.setattr(queue, "jobs", squeue)
    monkeypatch.setattr(queue, "sacct", sacct)
    return asked


def rows(loaded, results):
    return {row.experiment: row for row in status.rows_of(loaded, results)}


def test_a_training_shows_where_it_is_and_how_long_it_takes(loaded, results, asked):
    lines = [{"step": step, "loss": 5.0 - step, "images_per_second": 2.0} for step in (1, 2)]
    write_run(results, "mm-dinov2", log=lines, job=slurm_job("11"))
    row = rows(loaded, results)["mm-dinov2"]
    assert (row.state, row.job, row.node) == ("train: running", "11", "node7")
    assert (row.step, row.steps, row.loss) == (2, 6, 3.0)
    assert row.eta_seconds == pytest.approx((6 - 2) * 4 / 2.0)  # steps left, four patients a batch, two images a second
    assert row.gpu_hours == pytest.approx(3.0)


def test_all_jobs_cost_one_look_at_the_queue_and_one_at_accounting(loaded, results, asked):
    write_run(results, "mm-dinov2", job=slurm_job("11"))
    write_run(results, "radiomics", job=slurm_job("12"))
    found = rows(loaded, results)
    assert asked == ["squeue", "sacct"]
    assert found["radiomics"].state == "train: pending (waits for free resources (Resources))"


def test_a_failed_run_shows_its_last_error_and_others_their_stage(loaded, results, asked):
    said = "submitit INFO - Starting\nError: first\nError: no patient of the val split has a label\n"
    write_run(results, "mm-dinov2", job=slurm_job("13", "exit code 2"), said=said)
    write_run(results, "radiomics", files=("run.json", "predictions.parquet", "metrics.json"))
    found = rows(loaded, results)
    assert found["mm-dinov2"].state == "train: exit code 2"
    assert found["mm-dinov2"].error == "no patient of the val split has a label"
    assert found["radiomics"].state == "done"
    assert found["starter-frozen"].state == "not started"
    assert "squeue" not in asked  # no job is under way


def test_a_run_that_is_done_and_trained_again_is_training(loaded, results, asked):
    files = ("run.json", "predictions.parquet", "metrics.json")
    write_run(results, "mm-dinov2", files, log=[{"step": 2, "loss": 3.0}], job=slurm_job("11"))
    write_run(results, "radiomics", files, job=slurm_job("12"))
    write_job(results, "mm-dinov2", "predict", slurm_job("5", "exit code 0"))
    found = rows(loaded, results)
    assert (found["mm-dinov2"].state, found["mm-dinov2"].job, found["mm-dinov2"].step) == ("train: running", "11", 2)
    assert found["radiomics"].state.startswith("train: pending")


@pytest.mark.parametrize(("step", "number"), [("train", "5"), ("predict", "6")])
def test_of_jobs_that_ended_the_one_submitted_last_is_shown(loaded, results, asked, step, number):
    write_run(results, "mm-dinov2", ("run.json", "predictions.parquet"))
    for of, job in (("train", slurm_job("5", "exit code 0")), ("predict", slurm_job("6", "exit code 2"))):
        write_job(results, "mm-dinov2", of, replace(job, submitted=200.0 if of == step else 100.0))
    row = rows(loaded, results)["mm-dinov2"]
    assert (row.job, row.state) == (number, "predicted" if step == "train" else "predict: exit code 2")


def test_a_half_written_last_line_and_a_silent_slurm_are_no_trouble(loaded, results, monkeypatch):
    monkeypatch.setattr(queue, "jobs", lambda max_age: queue.Answer(0, None, "down"))
    monkeypatch.setattr(queue, "sacct", lambda *arguments: (_ for _ in ()).throw(OSError("no sacct")))
    write_run(results, "mm-dinov2", log=[{"step": 1, "loss": 2.0}], job=slurm_job("11"))
    path = results / "runs" / "mm-dinov2" / "seed-0" / "log.jsonl"
    path.write_text(path.read_text() + '{"step": 2, "lo')
    row = rows(loaded, results)["mm-dinov2"]
    assert (row.state, row.step, row.gpu_hours) == ("train: SLURM does not answer", 1, None)


def test_the_table_is_one_line_a_run(loaded, results, asked):
    write_run(results, "mm-dinov2", log=[{"step": 2, "loss": 3.0, "images_per_second": 2.0}], job=slurm_job("11"))
    console = Console(width=240, record=True)
    console.print(status.table_of(status.rows_of(loaded, results), "Mini", loaded.default))
    [line] = [line for line in console.export_text().splitlines() if line.startswith("mm-dinov2 0")]
    assert line.split() == [
        "mm-dinov2",
        "0",
        "train:",
        "running",
        "11",
        "node7",
        "2/6",
        "3",
        "2.0",
        "0",
        "h",
        "00",
        "min",
        "3.00",
    ]


def test_runs_on_request_are_shown_once_they_have_begun(loaded, results, asked):
    write_run(results, "supervised-vit", files=("run.json",))
    console = Console(width=240, record=True)
    console.print(status.table_of(status.rows_of(loaded, results), "Mini", loaded.default))
    text = console.export_text()
    shown = re.findall(r"^([\w-]+) 0 ", text, flags=re.M)
    assert shown == ["mm-dinov2", "radiomics", "starter-frozen", "supervised-vit"]
    assert "2 runs on request, not started" in text


def test_no_results_is_said(loaded, results):
    with pytest.raises(UserError, match=r"start the study first \(`.*snakemake .* --config study=mini`\)"):
        status.show(loaded, results, watch=False)
