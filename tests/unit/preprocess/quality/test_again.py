"""`mmdino qc`: values and pictures again from what is on disk."""

import json
import os

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from factories import write_cohort
from mmdino.cli import app
from mmdino.cohorts import build_manifest
from mmdino.config import Cohort, Preprocess
from mmdino.errors import UserError
from mmdino.nifti import read_volume, write_volume
from mmdino.preprocess.shard import run_shard
from mmdino.tables import MANIFEST, PREPROCESSED, read_table, write_table


@pytest.fixture
def study(tmp_path):
    """Three stripped slabs, preprocessed, and the study that they belong to."""
    root = write_cohort(tmp_path / "raw", 3, prefix="p", side=64)
    cohort = Cohort(stage="stripped", path=str(root))
    manifest = build_manifest("c", cohort, root)
    folder = tmp_path / "results" / "cohorts" / "c"
    write_table(MANIFEST, manifest, folder / "manifest.tsv")
    done = run_shard("c", cohort, Preprocess(), manifest, tmp_path / "results" / "derivatives" / "c")
    write_table(PREPROCESSED, done, folder / "preprocessed" / "shard-0.tsv")
    settings = {
        "name": "s",
        "title": "S",
        "cohorts": {"c": {"stage": "stripped", "path": str(root)}},
        "experiments": ["none"],
        "qc": {"decisions": str(tmp_path / "qc.tsv"), "in_view": 0.95, "atlas_dice": 0},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def qc(study, *more):
    line = ["qc", "--study", str(study / "s.yaml"), "--results", str(study / "results"), *more]
    return CliRunner().invoke(app, line, catch_exceptions=False)


def test_everybody_is_drawn_and_nothing_changes_that_did_not_change(study):
    told = qc(study)
    assert told.exit_code == 0
    assert "c: 3 patients, 3 pass" in told.output
    pictures = list((study / "results" / "derivatives" / "c" / "figures").glob("*.png"))
    assert len(pictures) == 3
    tables = [*(study / "results" / "cohorts" / "c").rglob("*preprocessed*/*.tsv")]
    tables.append(study / "results" / "cohorts" / "c" / "preprocessed.tsv")
    for table in tables:
        os.utime(table, (1, 1))
    qc(study)
    assert {table.stat().st_mtime for table in tables} == {1}


def test_a_file_mended_by_hand_is_measured_again_and_a_decision_is_followed(study):
    path = study / "raw" / "p001" / "p001_t2.nii.gz"
    volume = read_volume(path)
    half = volume.array.copy()
    half[: half.shape[0] // 2] = 0
    write_volume(half, volume.affine, path)
    (study / "qc.tsv").write_text("cohort\tsubject\tdecision\treason\nc\tp002\texclude\tmotion\n")
    told = qc(study)
    assert "done     p001: only 52% of the brain" in told.output
    assert "excluded p002: exclude: motion" in told.output
    judged = read_table(PREPROCESSED, study / "results" / "cohorts" / "c" / "preprocessed.tsv").set_index("subject")
    assert judged.loc["p001", "in_view"] == pytest.approx(0.5, abs=0.05)
    assert judged.loc["p002", "status"] == "excluded"
    assert "motion" in judged.loc["p002", "reason"]
    record = next((study / "results" / "derivatives" / "c" / "records").glob("sub-p001*.json"))
    assert json.loads(record.read_text())["row"]["in_view"] == judged.loc["p001", "in_view"]


def test_a_patient_whose_files_are_gone_is_told_and_the_others_go_on(study):
    (study / "raw" / "p000" / "p000_seg.nii.gz").unlink()
    told = qc(study)
    assert "p000_seg.nii.gz: there is no such file" in told.output + told.stderr
    assert len(list((study / "results" / "derivatives" / "c" / "figures").glob("*.png"))) == 2


@pytest.fixture
def sharded(study):
    """The same study in two shards, with a table left from when there were four."""
    folder = study / "results" / "cohorts" / "c" / "preprocessed"
    done = read_table(PREPROCESSED, folder / "shard-0.tsv")
    for number, rows in {0: done[:1], 1: done[1:], 3: done[2:]}.items():
        write_table(PREPROCESSED, rows, folder / f"shard-{number}.tsv")
    settings = yaml.safe_load((study / "s.yaml").read_text()) | {"shards": 2}
    (study / "s.yaml").write_text(yaml.safe_dump(settings))
    return study


def test_tables_of_an_earlier_number_of_shards_are_passed_over(sharded):
    told = qc(sharded)
    assert told.exit_code == 0
    assert "c: 3 patients, 3 pass" in told.output


def test_shards_that_are_not_the_manifests_are_refused(sharded):
    folder = sharded / "results" / "cohorts" / "c"
    tables = [str(folder / "preprocessed" / f"shard-{number}.tsv") for number in (0, 1, 3)]
    line = ["gather", "--study", str(sharded / "s.yaml"), "--cohort", "c", "--manifest", str(folder / "manifest.tsv")]
    line += ["--out", str(folder / "preprocessed.tsv")]
    with pytest.raises(
        UserError, match=r"hold 1 sessions, .* lists 3, 2 of which they lack \(such as p001\).*--forcerun"
    ):
        CliRunner().invoke(app, [*line, *tables[:1]], catch_exceptions=False)
    with pytest.raises(UserError, match="hold 4 sessions, and the manifest lists 3: they are of another number"):
        CliRunner().invoke(app, [*line, *tables], catch_exceptions=False)
    assert not (folder / "preprocessed.tsv").exists()
    CliRunner().invoke(app, [*line, *tables[:2]], catch_exceptions=False)
    assert len(read_table(PREPROCESSED, folder / "preprocessed.tsv")) == 3


def test_only_whom_is_asked_for(study):
    qc(study, "--subject", "p001")
    assert [path.name for path in (study / "results" / "derivatives" / "c" / "figures").iterdir()] == [
        "sub-p001_ses-preop_qc.png"
    ]
    assert np.isfinite(
        read_table(PREPROCESSED, study / "results" / "cohorts" / "c" / "preprocessed.tsv")["in_view"]
    ).all()


def test_what_is_not_preprocessed_yet_is_told_with_the_command_of_its_study(study):
    line = ["qc", "--study", str(study / "s.yaml"), "--results", str(study / "other" / "s")]
    with pytest.raises(UserError) as refused:
        CliRunner().invoke(app, line, catch_exceptions=False)
    target = study / "other" / "s" / "cohorts" / "c" / "preprocessed.tsv"
    assert f"snakemake --profile profiles/local {target} --config study=s`" in str(refused.value)
