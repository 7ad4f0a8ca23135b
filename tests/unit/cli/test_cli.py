import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmdino.cli import app
from mmdino.errors import UserError

ROOT = Path(__file__).parents[3]
STUDY = str(ROOT / "config" / "studies" / "mini.yaml")


def mmdino(*arguments, folder=ROOT):
    command = [sys.executable, "-m", "mmdino", *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, cwd=folder, check=False)


def test_help_lists_every_step_without_loading_torch():
    script = "import sys, typer.main, mmdino.cli as c; typer.main.get_command(c.app); print('torch' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, check=True).stdout.strip()
        == "False"
    )
    shown = mmdino("--help").stdout
    in_order = ["Before a study", "Data", "phantom", "manifest", "preprocess", "Runs", "train", "Results", "report"]
    places = [shown.index(f" {name} ") for name in in_order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("manifest", "--study", STUDY, "--cohort", "mini-heds", "--root", ".", "--out", "x"),
            "did you mean 'mini-heads'",
        ),
        (("splits", "--study", STUDY, "--manifest", "no.tsv", "--preprocessed", "no.tsv", "--out", "x"), "no.tsv"),
        (("show-config", "--study", STUDY, "mm-dino"), "no experiment 'mm-dino'; did you mean 'mm-dinov2'"),
        (("report", "--study", "config/studies/phantm.yaml", "--results", "x"), "did you mean 'phantom'"),
        (("report", "--study", "config/studies", "--results", "x"), "config/studies: cannot be read"),
    ],
)
def test_bad_input_is_one_sentence_and_no_traceback(arguments, said):
    answer = mmdino(*arguments)
    assert answer.returncode == 2
    assert answer.stderr.startswith("Error: ")
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("trian",), "Did you mean 'train'?"),
        (("report", "--stuy", STUDY), "Possible options: --study"),
        (("doctor", "--study", STUDY, "--cluster", "slrm"), "is not one of 'slurm', 'local'"),
    ],
)
def test_a_misspelt_verb_option_or_choice_is_answered_with_the_right_one(arguments, said):
    answer = mmdino(*arguments)
    assert answer.returncode == 2
    assert said in " ".join(answer.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mmdino phan", ["phantom"]),
        (f"mmdino show-config --study {STUDY} sup", ["supervised-cnn", "supervised-vit"]),
        (f"mmdino manifest --study {STUDY} --cohort mini-u", ["mini-ucsf"]),
        ("mmdino show-config starter-fro", ["starter-frozen"]),  # of config/config.yaml's study
        ("mmdino train --study no.yaml --experiment mm", []),
    ],
)
def test_the_shell_completes_verbs_and_the_names_of_a_study(line, offered):
    script = "from typer.main import get_command; import mmdino.cli; get_command(mmdino.cli.app)(prog_name='mmdino')"
    asked = {"_MMDINO_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    answer = subprocess.run([sys.executable, "-c", script], env={**os.environ, **asked}, text=True, capture_output=True)
    assert answer.stdout.split() == offered, answer.stderr


def test_where_no_study_is_said_it_is_that_of_the_configuration(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "project/config")
    (tmp_path / "project/config/config.yaml").write_text("study: mini\nresults: other")
    assert mmdino("status", folder=tmp_path / "project").stderr.startswith("Error: other/mini: there is no such folder")
    elsewhere = mmdino("show-config", "majority", folder=tmp_path)
    assert elsewhere.returncode == 2
    assert elsewhere.stderr == (
        "Error: there is no config/config.yaml here; start in the project's folder, or say --study\n"
    )


def test_a_job_runs_in_a_process_of_its_own(tmp_path):
    job = ("submit", "--name", "job", "--jobs", tmp_path / "a job", "--cluster", "local", "--minutes", "5", "--")
    assert mmdino(*job, "show-config", "--study", STUDY, "mm-dinov2").returncode == 0
    logs = [path.read_text() for path in (tmp_path / "a job").glob("*.out")]
    assert any("method: mm-dinov2" in log for log in logs)
    assert json.loads((tmp_path / "a job" / "job.json").read_text())["outcome"] == "exit code 0"


def test_a_failed_job_shows_why(tmp_path):
    job = ("submit", "--name", "job", "--jobs", tmp_path, "--cluster", "local", "--minutes", "5", "--")
    answer = mmdino(*job, "show-config", "--study", STUDY, "mm-dino")
    assert answer.returncode == 2
    assert "did you mean 'mm-dinov2'" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_what_is_not_preprocessed_yet_cannot_be_exported_and_its_command_names_the_study(tmp_path):
    asked = ["export", "--study", STUDY, "--results", str(tmp_path), "--out", str(tmp_path / "out")]
    with pytest.raises(UserError, match=r"run `.*snakemake .* preprocess --config study=mini` first"):
        CliRunner().invoke(app, asked, catch_exceptions=False)


def test_a_study_is_exported_and_taken_in_by_hand(tmp_path):
    from factories import as_preprocessed, write_cohort
    from mmdino.cohorts import build_manifest
    from mmdino.config import Cohort
    from mmdino.tables import MANIFEST, PREPROCESSED, write_table

    folder = tmp_path / "results" / "cohorts" / "mini-ucsf"
    raw = write_cohort(tmp_path / "raw", 2, planes=1, side=16)
    manifest = build_manifest("mini-ucsf", Cohort(stage="stripped", path=str(raw)), raw)
    write_table(MANIFEST, manifest, folder / "manifest.tsv")
    write_table(PREPROCESSED, as_preprocessed(manifest), folder / "preprocessed.tsv")
    asked = ("export", "--study", STUDY, "--results", tmp_path / "results", "--out", tmp_path / "out")
    answer = mmdino(*asked, "--layout", "mm-dinov2")
    assert answer.stdout.startswith("2 patients of mini-ucsf"), answer.stderr
    answer = mmdino("import", tmp_path / "out" / "mini-ucsf", "--name", "mine", "--out", tmp_path / "manifest.tsv")
    assert "2 of 2 sessions are usable" in answer.stdout
    assert "mine: {adapter: mm-dinov2, stage: stripped, path: " in answer.stdout
    assert mmdino(*asked, "--layout", "bods").stderr.startswith("Error: there is no layout 'bods'; did you mean 'bids'")
