"""docs/experiments.md names every experiment, and no target that isn't there."""

import re
from pathlib import Path

from mmdino.config import load_experiments

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "experiments.md").read_text()
FILES = {path.stem: path for path in (ROOT / "config" / "experiments").glob("*.yaml")}


def test_every_experiment_stands_on_the_page():
    assert {name for name in FILES if f"`{name}`" not in PAGE} == set()


def test_every_target_on_the_page_is_there():
    variants = {experiment.name for path in FILES.values() for experiment in load_experiments(path)}
    groups = set(re.findall(r'^    "([a-z-]+)": "', (ROOT / "workflow/rules/targets.smk").read_text(), flags=re.M))
    for line in re.findall(r"^\|(?! *-)(.*)\|$", PAGE, flags=re.M):
        column = re.sub(r"\([^()]*\)|:.*", "", line.split("|")[1])  # without remarks
        named = {word for words in re.findall(r"`([a-z0-9 -]+)`", column) for word in words.split()}
        assert named <= {*FILES, *variants, *groups}, line
