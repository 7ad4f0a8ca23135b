import re
from pathlib import Path

import pytest
import yaml

from mmdino.config import load_study
from mmdino.config.show import show
from mmdino.config.sources import sources
from mmdino.methods.mm_dinov2.settings import Settings

STUDIES = Path(__file__).parents[3] / "config" / "studies"


@pytest.mark.parametrize("study", ["phantom", "paper"])
def test_what_is_shown_is_what_is_resolved_for_every_experiment(study):
    loaded = load_study(STUDIES / f"{study}.yaml")
    for name in loaded.experiments:
        assert yaml.safe_load(show(loaded, name)) == loaded.resolved(name)


def test_each_setting_says_where_it_comes_from():
    shown = show(load_study(STUDIES / "phantom.yaml"), "mm-dinov2-as-released")
    source = dict(re.findall(r"^  (\w+): .*# (.*)$", shown, flags=re.M))
    assert set(source) == set(Settings.model_fields)
    assert source["full_modality"] == "paper"
    assert source["centre_momentum"] == "released code"
    assert source["accumulate"] == "ours"
    assert source["steps"] == "this study, by mm-dinov2-phantom"
    assert source["blur"] == "this experiment"


def test_what_a_study_sets_beside_a_recipe_is_its_own():
    shown = show(load_study(STUDIES / "phantom-brief.yaml"), "mm-dinov2")
    source = dict(re.findall(r"^  (\w+): .*# (.*)$", shown, flags=re.M))
    assert (source["steps"], source["ema"]) == ("this study", "this study, by mm-dinov2-phantom")


def test_as_released_switches_every_mend_of_the_method():
    loaded = load_study(STUDIES / "paper.yaml")
    mended = {name for name, source in sources(Settings).items() if "mends" in source}
    assert set(loaded.experiment("mm-dinov2-as-released").settings) == mended | {"missing"}


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_released_code_evaluates_with_mask_tokens_in_every_study(path):
    loaded = load_study(path)
    if "mm-dinov2-as-released" in loaded.experiments:
        assert loaded.settings("mm-dinov2-as-released").missing == "mask"


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_no_search_may_give_up_what_prepares_for_missing_sequences(path):
    prepares = {"sequence_dropout", "missing", "hidden_copies", "full_modality", "fill", "sequence_mask_probability"}
    searched = {name: set(one.tune) & prepares for name, one in load_study(path).experiments.items()}
    assert not {name: found for name, found in searched.items() if found}
