"""A study that extends another."""

import shutil
from pathlib import Path

import pytest
import yaml

from mmdino.config import load_study
from mmdino.config.extends import read_extended
from mmdino.errors import UserError

ROOT = Path(__file__).parents[3]


def write(folder, **files):
    for name, value in files.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(value))
    return folder


def test_what_is_said_replaces_and_the_rest_is_taken_over(tmp_path):
    base = {
        "name": "a",
        "title": "Study A",
        "remarks": ["What was tried before A."],
        "seeds": [0],
        "cohorts": {"x": 1, "y": 2},
        "methods": {"m": {"lr": 1, "steps": 2}, "n": {"k": 3}},
    }
    own = {"extends": "a.yaml", "name": "b", "cohorts": {"z": 3}, "methods": {"m": {"lr": 9}, "o": {"q": 1}}}
    write(tmp_path, a=base, b=own, c={"extends": "b.yaml", "name": "c", "methods": {"m": {"steps": 7}}})
    expected = {"name": "b", "seeds": [0], "cohorts": {"z": 3}}
    methods = {"m": {"lr": 9, "steps": 2}, "n": {"k": 3}, "o": {"q": 1}}
    assert read_extended(tmp_path / "b.yaml") == expected | {"methods": methods}
    third = methods | {"m": {"lr": 9, "steps": 7}}
    assert read_extended(tmp_path / "c.yaml") == expected | {"name": "c", "methods": third}


def test_a_study_without_a_name_of_its_own_is_not_the_one_that_it_extends(tmp_path):
    (tmp_path / "experiments").symlink_to(ROOT / "config" / "experiments")
    (tmp_path / "studies").mkdir()
    shutil.copy(ROOT / "config" / "studies" / "mini.yaml", tmp_path / "studies")
    write(tmp_path / "studies", mine={"extends": "mini.yaml", "seeds": [1]})
    with pytest.raises(UserError, match="the key 'name' is missing"):
        load_study(tmp_path / "studies" / "mine.yaml")


def test_a_study_may_have_fewer_experiments_than_the_one_that_it_extends(tmp_path):
    (tmp_path / "experiments").symlink_to(ROOT / "config" / "experiments")
    (tmp_path / "studies").mkdir()
    shutil.copy(ROOT / "config" / "studies" / "mini.yaml", tmp_path / "studies")
    own = {"extends": "mini.yaml", "name": "mine", "title": "Mine", "more_experiments": []}
    write(tmp_path / "studies", mine=own)
    assert "supervised-cnn" not in load_study(tmp_path / "studies" / "mine.yaml").experiments


def test_settings_beside_a_recipe_replace_those_of_the_recipe(tmp_path):
    write(tmp_path, a={"methods": {"m": "n"}}, b={"extends": "a.yaml", "methods": {"m": {"lr": 9}}})
    write(tmp_path, c={"extends": "a.yaml", "methods": {"o": {}}}, d={"extends": "a.yaml", "methods": {"m": "k"}})
    assert read_extended(tmp_path / "b.yaml")["methods"] == {"m": {"recipe": "n", "lr": 9}}
    assert read_extended(tmp_path / "c.yaml")["methods"] == {"m": "n", "o": {}}
    assert read_extended(tmp_path / "d.yaml")["methods"] == {"m": "k"}


def test_the_brief_phantoms_differ_from_the_phantoms_by_their_schedules():
    ours, theirs = (load_study(ROOT / "config" / "studies" / f"{name}.yaml") for name in ("phantom-brief", "phantom"))
    assert list(ours.experiments) == list(theirs.experiments)
    brief, whole = (study.resolved("mm-dinov2")["settings"] for study in (ours, theirs))
    written = ours.study.methods["mm-dinov2"]
    assert written["recipe"] == "mm-dinov2-phantom"
    assert brief["steps"] < whole["steps"]
    assert brief == whole | {key: value for key, value in written.items() if key != "recipe"}


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"extends": "b.yaml"}, "comes back to"),
        ({"extends": "../a.yaml"}, "name of a study beside it"),
        ({"extends": ["a.yaml"]}, "name of a study beside it"),
        ({"extends": "aa.yaml"}, "aa.yaml: there is no such file; did you mean 'a'"),
    ],
)
def test_a_wrong_extends_is_refused(tmp_path, own, said):
    write(tmp_path, a={"extends": "b.yaml"} if own["extends"] == "b.yaml" else {"name": "a"}, b=own)
    with pytest.raises(UserError, match=said):
        read_extended(tmp_path / ("a.yaml" if own["extends"] == "b.yaml" else "b.yaml"))


def test_the_hard_phantoms_recipes_are_the_phantoms():
    ours, theirs = (load_study(ROOT / "config" / "studies" / f"{name}.yaml") for name in ("phantom-hard", "phantom"))
    assert all(ours.resolved(name) == theirs.resolved(name) for name in ours.experiments)
