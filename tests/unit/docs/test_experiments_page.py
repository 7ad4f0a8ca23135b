"""docs/experiments.md names every experiment, and no target that isn't there."""

import re
from pathlib import Path

from mmdino.config import load_experiments, load_study

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "experiments.md").read_text()
FILES = {path.stem: path for path in (ROOT / "config" / "experiments").glob("*.yaml")}


def test_every_experiment_stands_on_the_page():
    assert {name for name in FILES if f"`{name}`" not in PAGE} == set()


def test_targets_of_one_study_alone_are_marked():
    """† of the paper's, ‡ of the phantoms'."""
    paper, phantom = (named(study) for study in ("paper", "phantom"))
    for line in re.findall(r"^\|(?! *-)(.*)\|$", PAGE, flags=re.M):
        for name, mark in re.findall(r"`([a-z0-9-]+)`([†‡]?)", line):
            expected = "†" if name in paper - phantom else "‡" if name in phantom - paper else ""
            assert mark == expected, f"{name} in: {line}"


def named(study: str) -> set[str]:
    loaded = load_study(ROOT / "config" / "studies" / f"{study}.yaml")
    return {*loaded.experiments, *loaded.families}


def test_every_target_on_the_page_is_there():
    variants = {experiment.name for path in FILES.values() for experiment in load_experiments(path)}
    groups = set(re.findall(r'^    "([a-z-]+)": "', (ROOT / "workflow/rules/targets.smk").read_text(), flags=re.M))
    for line in re.findall(r"^\|(?! *-)(.*)\|$", PAGE, flags=re.M):
        column = re.sub(r"\([^()]*\)|:.*", "", line.split("|")[1])  # without remarks
        named = {word for words in re.findall(r"`([a-z0-9 -]+)`", column) for word in words.split()}
        assert named <= {*FILES, *variants, *groups}, line
