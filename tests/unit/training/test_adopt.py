"""A run that takes over the weights of another one."""

import pytest

from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.training.adopt import adopt

ASKED = {"experiment": "asked", "method": "m", "settings": {"missing": "drop"}}
TRAINED = {"experiment": "trained", "method": "m", "settings": {"missing": "mask"}, "data_seen": {"slices": 3}}


@pytest.fixture
def trained(tmp_path):
    """Return the folder of a trained run."""
    spent = {"cpu_seconds": 9.0, "peak_memory_bytes": {"host": 1}}
    write_json(tmp_path / "trained/run.json", {**TRAINED, "seed": 2, "best": {"step": 5}, **spent})
    (tmp_path / "trained/model.safetensors").write_bytes(b"weights")
    return tmp_path / "trained"


def test_weights_and_record_are_the_others_and_settings_its_own(trained, tmp_path):
    adopt(trained, tmp_path / "asked", ASKED, TRAINED)
    assert (tmp_path / "asked/model.safetensors").read_bytes() == b"weights"
    assert read_json(tmp_path / "asked/run.json") == {**ASKED, "trained_as": "trained", "seed": 2, "best": {"step": 5}}


def test_what_an_earlier_training_left_behind_is_removed(trained, tmp_path):
    (tmp_path / "asked/checkpoints").mkdir(parents=True)
    (tmp_path / "asked/log.jsonl").write_text("{}")
    adopt(trained, tmp_path / "asked", ASKED, TRAINED)
    assert {path.name for path in (tmp_path / "asked").iterdir()} == {"model.safetensors", "run.json"}


def test_a_run_that_was_not_trained_is_named(tmp_path):
    with pytest.raises(UserError, match=r"trained/run\.json: there is no such file"):
        adopt(tmp_path / "trained", tmp_path / "asked", ASKED, TRAINED)


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ({**TRAINED, "experiment": "another"}, "is a run of 'trained', but 'asked' has the weights of 'another'"),
        ({**TRAINED, "settings": {"missing": "mask", "steps": 9}}, "was trained with other settings"),
        ({**TRAINED, "leak": "keep"}, "was trained with other settings"),
        ({"experiment": "trained", "method": "m", "settings": {"missing": "mask"}}, "was trained with other settings"),
        (None, "'asked' is trained as no other experiment of the study"),
    ],
)
def test_weights_of_another_training_are_refused(trained, tmp_path, of, said):
    with pytest.raises(UserError, match=said):
        adopt(trained, tmp_path / "asked", ASKED, of)
    assert not (tmp_path / "asked").exists()
