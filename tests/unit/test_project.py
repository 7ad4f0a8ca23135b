"""What the files beside the code must agree on."""

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mmdino import tables

ROOT = Path(__file__).parents[2]
CONTRACTS = (ROOT / "docs" / "data-contracts.md").read_text()
TABLES = [value for value in vars(tables).values() if isinstance(value, tables.Table)]


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


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_contracts_page_is_the_contracts(table):
    section = CONTRACTS.split(f"## {table.name}:")[1].split("\n## ")[0]
    assert f"One row is {table.row}; key: {', '.join(table.key)}." in section
    listed = re.findall(r"^\| (\w+) \| (\w+) \|$", section, flags=re.M)[1:]
    assert listed == [(name, kind.__name__) for name, kind in table.columns.items()]


def test_the_site_shows_the_contracts_page_with_the_columns_of_the_code(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "hooks")
    filled = importlib.import_module("tables_page").filled
    assert filled(CONTRACTS) == CONTRACTS
    assert filled(CONTRACTS.replace("| reason | str |\n", "")) == CONTRACTS


def test_the_configuration_page_names_every_key_that_a_file_of_config_says(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs" / "hooks")
    page = importlib.import_module("settings_page").page()
    for path in (ROOT / "config").rglob("*.yaml"):
        for key in yaml.safe_load(path.read_text()):
            assert f"`{key}" in page, f"{path}: {key}"


def test_setup_says_in_a_sentence_what_is_missing_and_how_to_install_it(tmp_path):
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\ncase $1 in --version) echo Python 3.9.2;; *) exit 1;; esac\n")
    bare = tmp_path / "python-bare"
    bare.write_text("#!/bin/sh\ncase $2 in *version_info*) exit 0;; *) exit 1;; esac\n")
    for python, said in (("no-such-python", "python3 is missing"), (old, "3.11 or newer"), (bare, "python3-venv")):
        if isinstance(python, Path):
            python.chmod(0o755)
        answer = subprocess.run(
            ["bash", ROOT / "envs" / "setup.sh"],
            env={**os.environ, "PYTHON": str(python)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert answer.returncode == 2
        assert said in answer.stderr
        assert len(answer.stderr.strip().splitlines()) == 1


def test_setup_asks_for_space_for_a_new_environment_alone(tmp_path):
    def setup():
        environment = {
            **os.environ,
            "PYTHON": sys.executable,
            "PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        }
        script = tmp_path / "envs" / "setup.sh"
        return subprocess.run(["bash", script], env=environment, capture_output=True, text=True, check=False)

    for path, text in (
        ("bin/df", "#!/bin/sh\necho Filesystem\necho 'disk 1 1 1048576 1% /'\n"),
        (".venv/bin/python", "#!/bin/sh\nexit 0\n"),
        ("envs/setup.sh", (ROOT / "envs" / "setup.sh").read_text()),
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)
    answer = setup()
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / ".venv" / ".ready").exists()
    shutil.rmtree(tmp_path / ".venv")
    assert "only 1 GB are free here" in setup().stderr


def test_every_test_that_the_table_of_mends_names_is_there():
    table = (ROOT / "docs" / "method.md").read_text().split("## What the released code does otherwise")[1]
    files = {path.name: path.read_text() for path in (ROOT / "tests").rglob("test_*.py")}
    rows = [line.split("|")[-2] for line in table.splitlines() if line.startswith("|")][2:]
    assert rows
    for row in rows:
        named = re.findall(r"test_\w+(?:\.py)?", row)
        assert named, row
        for name in named:
            assert name in files if name.endswith(".py") else any(f"def {name}" in text for text in files.values()), (
                name
            )
