import shutil
from pathlib import Path

import pytest

from mmdino.launch.resources import depends_on


@pytest.fixture
def study(tmp_path):
    shutil.copytree("config", tmp_path / "config")
    return tmp_path / "config" / "studies" / "mini.yaml"


@pytest.fixture
def command(study, tmp_path):
    """Return a function that gives a verb's command line on the study, with files as its rule names them."""
    (tmp_path / "splits.tsv").write_text("subject\tsplit\n")
    (tmp_path / "slices").mkdir()
    (tmp_path / "slices" / "meta.json").write_text('{"key": "a"}')
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")

    def command(verb, experiment="mm-dinov2"):
        named = ["--study", str(study), "--experiment", experiment, f"--slices={tmp_path / 'slices'}"]
        out = {"predict": "run/predictions.parquet"}.get(verb, "run")
        return [verb, *named, "--splits", str(tmp_path / "splits.tsv"), "--out", str(tmp_path / out)]

    return command


def edit(path, before, after):
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def test_a_changed_setting_is_another_key_for_its_experiment_alone(command, study):
    commands = [
        command(verb, name) for verb in ("train", "predict", "tune") for name in ("mm-dinov2", "starter-frozen")
    ]
    before = [depends_on(line) for line in commands]
    path = study.parents[1] / "experiments" / "starter-frozen.yaml"
    path.write_text(f"# a comment\n{path.read_text()}")
    assert [depends_on(line) for line in commands] == before
    path.write_text(f"{path.read_text()}  layer_scale: 0.5\n")
    after = [depends_on(line) for line in commands]
    assert after[::2] == before[::2]
    assert not set(after[1::2]) & set(before[1::2])


def test_a_changed_protocol_is_another_key_for_predictions_alone(command, study):
    before = {verb: depends_on(command(verb)) for verb in ("train", "predict")}
    edit(study, "bootstrap: 200", "bootstrap: 200\n  protocols: [refit]")
    assert depends_on(command("train")) == before["train"]
    assert depends_on(command("predict")) != before["predict"]


def test_what_a_search_found_is_another_key_for_its_experiment_but_not_for_the_search(command, study):
    before = {verb: depends_on(command(verb, "radiomics")) for verb in ("train", "predict", "tune")}
    study.write_text(f"{study.read_text()}tuned: {{radiomics: {{grey_levels: 8}}}}\n")
    after = {verb: depends_on(command(verb, "radiomics")) for verb in before}
    assert {verb for verb in before if after[verb] != before[verb]} == {"train", "predict"}


@pytest.mark.parametrize(
    ("changed", "verbs"),
    [
        ("splits.tsv", {"train", "predict"}),
        ("slices/meta.json", {"train", "predict"}),
        ("run/run.json", {"predict"}),
    ],
)
def test_changed_data_are_another_key(command, tmp_path, changed, verbs):
    before = {verb: depends_on(command(verb)) for verb in ("train", "predict")}
    (tmp_path / changed).write_text("changed")
    assert {verb for verb in before if depends_on(command(verb)) != before[verb]} == verbs


def test_data_that_are_not_there_are_none_and_other_verbs_have_no_key(command, tmp_path):
    Path(tmp_path / "splits.tsv").unlink()
    assert depends_on(command("train"))
    assert depends_on(["evaluate", "--study", "mini.yaml"]) == ""
