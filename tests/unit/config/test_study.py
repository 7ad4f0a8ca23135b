from pathlib import Path

import pytest
import yaml

from mmdino.config import load_study
from mmdino.errors import UserError

ROOT = Path(__file__).parents[3]
STUDIES = sorted((ROOT / "config" / "studies").glob("*.yaml"))


def changed(tmp_path, change, name="mini"):
    """Write a changed copy of a study beside the real experiments, and return its path."""
    value = yaml.safe_load((ROOT / "config" / "studies" / f"{name}.yaml").read_text())
    change(value)
    (tmp_path / "studies").mkdir()
    (tmp_path / "experiments").symlink_to(ROOT / "config" / "experiments")
    path = tmp_path / "studies" / f"{name}.yaml"
    path.write_text(yaml.safe_dump(value))
    return path


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_study_resolves(path):
    loaded = load_study(path)
    assert all(loaded.resolved(name)["settings"] is not None for name in loaded.experiments)


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "experiments").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_experiment_belongs_to_a_study(path):
    assert any(path.stem in load_study(study).experiments for study in STUDIES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(shard=2), "unknown key 'shard'; did you mean 'shards'"),
        (lambda s: s["bank"].update(axis=[2]), "unknown key 'bank.axis'; did you mean 'axes'"),
        (lambda s: s["cohorts"]["mini-train"].update(stag="native"), "did you mean 'stage'"),
        (lambda s: s.update(experiments=["mm-dino2"]), "did you mean 'mm-dinov2'"),
        (lambda s: s.update(seeds=[1, 1]), "listed twice: 1"),
        (lambda s: s["methods"].update({"mm-dinov2": {"stepz": 3}}), "unknown key 'stepz'; did you mean 'steps'"),
        (lambda s: s["cohorts"]["mini-train"].update(path="/data"), "either 'path'"),
    ],
)
def test_a_wrong_key_is_refused_with_the_nearest_right_one(tmp_path, change, said):
    with pytest.raises(UserError) as caught:
        load_study(changed(tmp_path, change))
    assert said in str(caught.value)
    assert "mini.yaml" in str(caught.value) or "mm-dino2.yaml" in str(caught.value)


def test_broken_yaml_names_the_line(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("name: x\n  title: [")
    with pytest.raises(UserError, match="line 2"):
        load_study(path)
