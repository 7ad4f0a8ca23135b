"""A whole miniature study, for real, in a copy of the project whose path has spaces."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("config", "envs", "profiles", "src", "workflow", "Makefile", "pyproject.toml")
EXPERIMENTS = ("mm-dinov2", "radiomics", "starter-frozen")

pytestmark = [pytest.mark.study, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("a clone") / "with spaces"
    folder.mkdir()
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, folder / part)
    return folder


def heed_ctrl_c():
    """A test run started in the background ignores SIGINT, and its children would too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(clone, *arguments):
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", *arguments, "--config", "study=mini"]
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.Popen(
        command,
        cwd=clone,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=heed_ctrl_c,
    )


def snakemake(clone, *arguments):
    process = start(clone, *arguments)
    output, _ = process.communicate(timeout=1700)
    return process.returncode, output


def planned(output):
    """Return the rules (without the targets) that a dry run would run."""
    return set(re.findall(r"^rule ([\w-]+):", output, flags=re.M)) - {"all"}


@pytest.fixture(scope="module")
def study(clone):
    """The study's results: interrupted with Ctrl-C as soon as its first patients are there, then run to its end."""
    first = start(clone, "results/mini/splits.tsv")
    for line in first.stdout:
        if "steps" in line and "done" in line:
            os.killpg(first.pid, signal.SIGINT)
            break
    first.communicate(timeout=300)
    assert first.returncode != 0
    assert list((clone / "results" / "mini" / "truth").glob("*.parquet"))
    code, output = snakemake(clone)
    assert code == 0, output[-4000:]
    return clone / "results" / "mini"


def test_the_report_says_phantom_in_every_heading_with_a_result(study):
    page = (study / "report.html").read_text()
    assert "phantom" in re.search(r"<h1.*?</h1>", page, flags=re.S)[0].lower()
    assert len(page) < 8_000_000


def test_every_run_answers_for_every_patient_under_every_set(study):
    for name in EXPERIMENTS:
        predictions = pd.read_parquet(study / "runs" / name / "seed-0" / "predictions.parquet")
        test = predictions[(predictions["split"] == "test") & (predictions["protocol"] == "transfer")]
        counts = test.groupby(["readout", "sequences"])["subject"].nunique()
        assert (counts == 24).all()
        assert predictions["sequences"].nunique() == 15


def test_a_damaged_patient_is_a_row_and_the_other_goes_through_the_chain(study):
    rows = pd.read_csv(study / "cohorts" / "mini-heads" / "preprocessed.tsv", sep="\t", keep_default_na=False)
    damaged, whole = rows.sort_values("subject").to_dict("records")
    assert damaged["status"] == "failed"
    assert "T2w" in damaged["reason"]
    assert whole["status"] == "done"
    assert whole["flair"] == ""
    assert 900 < float(whole["brain_ml"]) < 2500
    assert "miniheads0001" in (study / "report.html").read_text()


@pytest.mark.parametrize("name", ["mini-heads", "mini-ucsf", "mini-egd", "mini-external"])
def test_the_adapters_of_archives_read_every_phantom_with_its_class(study, name):
    manifest = pd.read_csv(study / "cohorts" / name / "manifest.tsv", sep="\t").set_index("subject")
    truth = pd.read_parquet(study / "truth" / f"{name}.parquet").set_index("subject")
    assert not (study / "raw" / name / "labels.tsv").exists()
    assert manifest["label"].to_dict() == truth["label"].to_dict()
    assert manifest["excluded"].isna().all()


def test_the_oracle_knows_the_test_patients_by_the_names_that_the_adapter_gives_them(study):
    oracle = json.loads((study / "truth" / "oracle.json").read_text())
    assert oracle["test"]["t1+t1c+t2+flair"]["n"] == 24


def test_a_second_start_has_nothing_to_do(clone, study):
    code, output = snakemake(clone)
    assert code == 0
    assert "Nothing to be done" in output


def test_a_comment_reruns_nothing_and_a_setting_its_experiment_alone(clone, study):
    path = clone / "config" / "experiments" / "starter-frozen.yaml"
    text = path.read_text()
    path.write_text("# a comment\n" + text)
    assert "Nothing to be done" in snakemake(clone, "-n")[1]
    path.write_text(text + "  eval_size: 112\n")
    _, output = snakemake(clone, "-n")
    path.write_text(text)
    assert planned(output) == {"train", "predict", "evaluate", "statistics", "tables", "figures", "report"}
    assert "starter-frozen" in output
    assert "mm-dinov2-0" not in output


def test_a_typo_is_refused_before_anything_runs(clone):
    path = clone / "config" / "studies" / "mini.yaml"
    text = path.read_text()
    path.write_text(text.replace("title:", "titel:"))
    code, output = snakemake(clone)
    path.write_text(text)
    assert code != 0
    assert "unknown key 'titel'; did you mean 'title'?" in output
    assert "Traceback" not in output


def test_the_same_commit_and_seed_give_the_same_bits(clone, study):
    run = study / "runs" / "mm-dinov2" / "seed-0"
    before = [(run / name).read_bytes() for name in ("model.safetensors", "predictions.parquet")]
    shutil.rmtree(run)
    code, output = snakemake(clone, "mm-dinov2")
    assert code == 0, output[-4000:]
    assert [(run / name).read_bytes() for name in ("model.safetensors", "predictions.parquet")] == before
