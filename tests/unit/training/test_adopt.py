import pytest

from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.training.adopt import adopt

RESOLVED = {"experiment": "asked", "method": "m", "settings": {"missing": "drop"}, "trained_as": "trained"}


def test_weights_and_record_are_the_others_and_settings_its_own(tmp_path):
    trained = {"experiment": "trained", "method": "m", "settings": {"missing": "mask"}, "seed": 2, "best": {"step": 5}}
    write_json(tmp_path / "trained/run.json", {**trained, "cpu_seconds": 9.0, "peak_memory_bytes": {"host": 1}})
    (tmp_path / "trained/model.safetensors").write_bytes(b"weights")
    adopt(tmp_path / "trained", tmp_path / "asked", RESOLVED)
    assert (tmp_path / "asked/model.safetensors").read_bytes() == b"weights"
    assert read_json(tmp_path / "asked/run.json") == {**RESOLVED, "seed": 2, "best": {"step": 5}}


def test_a_run_that_was_not_trained_is_named(tmp_path):
    with pytest.raises(UserError, match=r"trained/run\.json: there is no such file"):
        adopt(tmp_path / "trained", tmp_path / "asked", RESOLVED)
