"""Another workflow uses ours as a module: it brings a config folder, and needs nothing else of the repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SNAKEFILE = """configfile: "config/config.yaml"


module mmdino:
    snakefile:
        "{snakefile}"
    config:
        config


use rule * from mmdino
"""


@pytest.fixture
def other(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow" / "Snakefile").write_text(SNAKEFILE.format(snakefile=ROOT / "workflow" / "Snakefile"))
    return tmp_path


@pytest.mark.parametrize("target", ["all", "radiomics", "no-full-modality-masking"])
def test_another_workflow_plans_our_targets(other, target):
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "2", target, "--config", "study=mini"]
    done = subprocess.run(command, cwd=other, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "rule train:" in done.stdout


def test_a_misspelt_key_is_refused_before_anything_runs(other):
    path = other / "config" / "config.yaml"
    path.write_text(path.read_text().replace("workers: 0", "worker: 4"))
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--cores", "2"],
        cwd=other,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
    assert "unknown key 'worker'; did you mean 'workers'?" in done.stdout + done.stderr


def test_the_catalog_finds_what_it_asks_for():
    usage = yaml.safe_load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["report"] is True
    assert any(usage["software-stack-deployment"].values())
    profile = usage["mandatory-flags"]["flags"].split()[1]
    assert (ROOT / profile / "config.yaml").exists()
    assert (ROOT / "workflow" / "Snakefile").exists()


def test_the_configurations_readme_names_every_key():
    told = (ROOT / "config" / "README.md").read_text()
    for key in yaml.safe_load((ROOT / "config" / "config.yaml").read_text()):
        assert f"`{key}`" in told
