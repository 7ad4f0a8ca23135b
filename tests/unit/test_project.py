"""What the files beside the code must agree on."""

import re
from pathlib import Path

import yaml

from mmdino import tables

ROOT = Path(__file__).parents[2]


def pins(text):
    return {line.strip() for line in text.splitlines() if "==" in line and not line.startswith("#")}


def test_conda_has_the_locks_pins():
    conda = yaml.safe_load((ROOT / "envs" / "environment.yaml").read_text())["dependencies"][-1]["pip"]
    assert set(conda) == pins((ROOT / "envs" / "requirements.lock").read_text())


def test_the_lock_holds_what_is_asked_for():
    lock = {pin.lower().replace("_", "-") for pin in pins((ROOT / "envs" / "requirements.lock").read_text())}
    for line in (ROOT / "envs" / "requirements.in").read_text().splitlines():
        asked = re.sub(r"\[.*?\]", "", line.split("#")[0]).strip().lower().replace("_", "-")
        if "==" in asked:
            assert asked in lock


def test_the_contracts_page_is_the_contracts():
    page = (ROOT / "docs" / "data-contracts.md").read_text()
    for table in (tables.MANIFEST, tables.PREPROCESSED, tables.SPLITS, tables.SLICES, tables.PREDICTIONS, tables.TRUTH):
        section = page.split(f"## {table.name}:")[1].split("\n## ")[0]
        listed = re.findall(r"^\| (\w+) \| (\w+) \|$", section, flags=re.M)[1:]
        assert listed == [(name, kind.__name__) for name, kind in table.columns.items()]
