"""Experiments that train nothing, and ask another one's weights in their own way."""

import shutil
from pathlib import Path

import pytest
import yaml

from mmdino.config import load_study
from mmdino.errors import UserError

CONFIG = Path(__file__).parents[3] / "config"
ASKED = {"name": "asked", "title": "Asked", "question": "How?", "method": "mm-dinov2", "trained_as": "mm-dinov2"}


@pytest.fixture
def study(tmp_path):
    """Return a function that loads the miniature study with one more experiment, and perhaps other changes."""
    shutil.copytree(CONFIG / "experiments", tmp_path / "experiments")
    (tmp_path / "studies").mkdir()

    def load(experiment, **changes):
        (tmp_path / "experiments/asked.yaml").write_text(yaml.safe_dump({**ASKED, **experiment}))
        value = yaml.safe_load((CONFIG / "studies/mini.yaml").read_text())
        value["more_experiments"] += ["asked", "slices-at-test"]
        (tmp_path / "studies/mini.yaml").write_text(yaml.safe_dump({**value, **changes}))
        return load_study(tmp_path / "studies/mini.yaml")

    return load


def test_who_only_asks_otherwise_says_whose_weights_it_has(study):
    loaded = study({"settings": {"missing": "drop"}, "data": {"slices": 3, "axes": [2, 1]}})
    assert loaded.resolved("asked")["trained_as"] == "mm-dinov2"
    assert "trained_as" not in loaded.resolved("mm-dinov2")


@pytest.mark.parametrize(
    ("experiment", "said"),
    [
        ({"trained_as": "mm-dinov3"}, "no experiment of the study; did you mean 'mm-dinov2'"),
        ({"trained_as": "slices-at-test-1"}, "trained as 'mm-dinov2' itself; name that one"),
        ({"trained_as": "supervised-vit"}, r"differs in training too \(method\)"),
        ({"settings": {"missing": "drop", "steps": 7}}, r"differs in training too \(settings.steps\)"),
        ({"data": {"slices": 3, "labelled_fraction": 0.5}}, r"\(data.labelled_fraction\); remove 'trained_as'"),
        ({"seeds": [0, 9]}, r"\(seeds\)"),
        ({"leak": "keep"}, r"\(leak\)"),
    ],
)
def test_what_would_have_to_be_trained_anew_is_refused(study, experiment, said):
    with pytest.raises(UserError, match=f"mini.yaml: 'asked' is trained as .*{said}"):
        study(experiment)
