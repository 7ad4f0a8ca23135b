"""What config/config.yaml may say."""

from pathlib import Path

import pytest
import yaml

from mmdino.config.chosen import Chosen, chosen, chosen_results, chosen_study, command
from mmdino.errors import UserError

ROOT = Path(__file__).parents[3]


def test_the_file_says_every_key_and_its_default():
    value = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())
    assert list(Chosen(**value).model_dump().items()) == list(Chosen(study="phantom").model_dump().items())
    assert value.keys() == Chosen.model_fields.keys()


def test_the_profile_for_slurm_says_known_keys():
    value = yaml.safe_load((ROOT / "profiles" / "slurm" / "jobs.yaml").read_text())
    assert chosen({"study": "paper", **value}).cluster == "slurm"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"worker": 4}, "unknown key 'worker'; did you mean 'workers'?"),
        ({"gpu": 2}, "unknown key 'gpu'; did you mean 'gpus'?"),
        ({"cluster": "slrm"}, "did you mean 'slurm'?"),
        ({"slurm": "partition=gpu"}, "'slurm' is 'partition=gpu'"),
        ({"gpus": -1}, "'gpus' is -1"),
    ],
)
def test_a_key_or_value_that_is_none_is_refused_by_snakemake_and_the_verbs(wrong, said, tmp_path, monkeypatch):
    with pytest.raises(UserError) as refused:
        chosen({"study": "mini", **wrong})
    assert said in str(refused.value)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(yaml.safe_dump({"study": "mini", **wrong}))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as refused:
        chosen_study()
    assert str(refused.value).startswith("config/config.yaml: ")
    assert said in str(refused.value)


def test_what_is_not_said_has_its_default(tmp_path, monkeypatch):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("study: 2024\n")
    monkeypatch.chdir(tmp_path)
    assert chosen_study() == Path("config/studies/2024.yaml")
    assert chosen_results("2024") == Path("results/2024")


def test_a_command_names_a_study_that_the_configuration_does_not_choose(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert command("hard", "ablations").endswith(" ablations --config study=hard")
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("study: easy\n")
    assert command("hard").endswith("profiles/local --config study=hard")
    assert command("easy", "ablations").endswith("profiles/local ablations")
