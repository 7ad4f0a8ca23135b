"""Experiments that train nothing, since another one of the study is trained in the same way."""

import shutil
from pathlib import Path

import pytest
import yaml

from mmdino.config import load_study

CONFIG = Path(__file__).parents[3] / "config"
ASKED = {"name": "asked", "title": "Asked", "question": "How?", "method": "mm-dinov2"}


@pytest.fixture
def trained_as(tmp_path):
    """Return a function that tells who trains nothing in the miniature study with one more experiment, `asked`."""
    shutil.copytree(CONFIG / "experiments", tmp_path / "experiments")
    (tmp_path / "studies").mkdir()

    def load(experiment, more=(), **changes):
        (tmp_path / "experiments/asked.yaml").write_text(yaml.safe_dump({**ASKED, **experiment}))
        value = yaml.safe_load((CONFIG / "studies/mini.yaml").read_text())
        value["bank"] = {"axes": [1, 2]}
        value["more_experiments"] = ["asked", *more, *value["more_experiments"]]
        (tmp_path / "studies/mini.yaml").write_text(yaml.safe_dump({**value, **changes}))
        return load_study(tmp_path / "studies/mini.yaml").trained_as

    return load


@pytest.mark.parametrize(
    "experiment",
    [
        {},
        {"settings": {"missing": "drop"}},
        {"data": {"slices": 3, "axes": [2, 1]}},
        {"data": {"labelled_fraction": 1.0}, "group": "ablation", "readout": "head"},
        {"settings": {"prototypes": 8}},  # as the study has it by itself
        {"seeds": [0]},
        {"leak": "remove-from-train"},  # as the study has it by itself
    ],
)
def test_whose_training_is_anothers_has_its_weights(trained_as, experiment):
    assert trained_as(experiment) == {"asked": "mm-dinov2"}


@pytest.mark.parametrize(
    "experiment",
    [
        {"method": "supervised-cnn", "settings": {"lr": 0.02}},
        {"settings": {"missing": "drop", "steps": 7}},
        {"data": {"slices": 3, "labelled_fraction": 0.5}},
        {"seeds": [0, 9]},
        {"leak": "keep"},
    ],
)
def test_who_differs_in_training_trains(trained_as, experiment):
    assert trained_as(experiment) == {}


def test_weights_are_asked_of_who_trained_them(trained_as):
    found = trained_as({"seeds": [7]}, ["slices-at-test", "missing-tokens"], seeds=[0, 1])
    assert found == {
        **dict.fromkeys([f"slices-at-test-{slices}" for slices in (1, 3, 5)], "mm-dinov2"),
        "missing-tokens-mask": "mm-dinov2",
        "missing-tokens-mask-no-full-modality-masking": "mm-dinov2-no-full-modality-masking",
    }


def test_the_papers_study_repeats_no_training():
    loaded = load_study(CONFIG / "studies/paper.yaml")
    assert {"labelled-fraction-100", "unlabelled-fraction-100", "supervised-weight-half"} <= set(loaded.trained_as)
    assert loaded.trained_as["dinov2-ssl-only"] == "supervised-weight-none"
    assert not set(loaded.trained_as.values()) & set(loaded.trained_as)
