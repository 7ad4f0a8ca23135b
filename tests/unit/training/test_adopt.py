import pytest

from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.training.adopt import adopt

RESOLVED = {"experiment": "asked", "method": "m", "settings": {"missing": "drop"}}


def test_weights_and_record_are_the_others_and_settings_its_own(tmp_path):
    trained = {"experiment": "trained", "method": "m", "settings": {"missing": "mask"}, "seed": 2, "best": {"step": 5}}
    write_json(tmp_path / "trained/run.json", {**trained, "cpu_seconds": 9.0, "peak_memory_bytes": {"host": 1}})
    (tmp_path / "trained/model.safetensors").write_bytes(b"weights")
    adopt(tmp_path / "trained", tmp_path / "asked", RESOLVED, "trained")
    assert (tmp_path / "asked/model.safetensors").read_bytes() == b"weights"
    assert read_json(tmp_path / "asked/run.json") == {
        **RESOLVED,
        "trained_as": "trained",
        "seed": 2,
        "best": {"step": 5},
    }


def test_a_run_that_was_not_trained_is_named(tmp_path):
    with pytest.raises(UserError, match=r"trained/run\.json: there is no such file"):
        adopt(tmp_path / "trained", tmp_path / "asked", RESOLVED, "trained")


@pytest.mark.parametrize(
    ("of", "said"), [("another", "has the weights of 'another'"), (None, "is trained as no other one of the study")]
)
def test_weights_of_another_training_are_refused(tmp_path, of, said):
    write_json(tmp_path / "trained/run.json", {"experiment": "trained"})
    with pytest.raises(UserError, match=f"trained: is a run of 'trained', but 'asked' {said}"):
        adopt(tmp_path / "trained", tmp_path / "asked", RESOLVED, of)
    assert not (tmp_path / "asked").exists()
