"""A batch that memory does not hold, in a real training (on the CPU, whose memory a test makes small)."""

import numpy as np
import pytest
import safetensors.numpy

from mmdino.errors import UserError
from mmdino.files import read_json
from mmdino.launch.resources import Resources
from mmdino.launch.run import run_job
from mmdino.methods.base import Run
from mmdino.methods.mm_dinov2.method import MMDinoV2
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.methods.radiomics.settings import Settings as RadiomicsSettings
from mmdino.training.fit import fit
from mmdino.training.interrupt import Preempted
from mmdino.training.memory import as_it_fits, fallback, ran_out, take_smaller_parts
from studies import Study, log_of
from tiny import TINY_MM_DINOV2

STEPS = 8
KEY = "of these settings"
REASON = "CUDA out of memory. Tried to allocate 2.00 GiB"


@pytest.mark.parametrize("cluster", ["local", "debug"])
def test_the_batch_goes_on_in_parts_by_itself_and_the_result_is_the_whole_batchs(tmp_path, cluster, capfd):
    study = Study(tmp_path)
    command = study.command(tmp_path / "run", STEPS, small=6)  # of twelve global crops
    run_job(command, tmp_path / "jobs", "train", Resources(cluster))
    record = read_json(tmp_path / "run" / "run.json")
    assert record["memory_fallback"] == {"accumulate": 2, "asked": 1, "reason": REASON}
    assert record["settings"]["accumulate"] == 1
    whole = study.undisturbed(STEPS)
    assert read_json(whole / "run.json")["memory_fallback"] is None
    for ours, theirs in zip(log_of(tmp_path / "run"), log_of(whole), strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-3)
    one, two = (safetensors.numpy.load_file(folder / "model.safetensors") for folder in (whole, tmp_path / "run"))
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-3, err_msg=name)
    assert not (tmp_path / "run" / "checkpoints").exists()


def a_run(tmp_path, settings):
    return Run(settings, 0, tmp_path, None)


def test_parts_are_halved_down_to_one_patient_and_then_it_is_said(tmp_path):
    run, found = a_run(tmp_path, Settings(**TINY_MM_DINOV2)), []
    error = RuntimeError(f"{REASON}. GPU 0 has …")
    for _ in range(3):
        assert isinstance(take_smaller_parts(as_it_fits(run, KEY), 1, KEY, error), Preempted)
        found.append(as_it_fits(run, KEY).settings.accumulate)
    assert found == [2, 4, 6]
    with pytest.raises(UserError, match=r"does not hold one patient .*; lower `batch` or the crops"):
        take_smaller_parts(as_it_fits(run, KEY), 1, KEY, error)


def test_what_fitted_under_other_settings_is_not_asked(tmp_path):
    run = a_run(tmp_path, Settings(**TINY_MM_DINOV2))
    take_smaller_parts(run, 1, KEY, RuntimeError(REASON))
    assert fallback(tmp_path, KEY) == {"accumulate": 2, "asked": 1, "reason": REASON}
    assert fallback(tmp_path, "of others") is None
    assert as_it_fits(run, "of others") is run


def test_changed_settings_are_trained_as_they_ask(tiny_patients, tmp_path, monkeypatch):
    def train(settings, fails):
        run = Run(Settings(**{**TINY_MM_DINOV2, "steps": 3, **settings}), 0, tmp_path, tiny_patients)
        tried = []

        def losses(method, batch, step):
            tried.append(method.settings.accumulate)
            if fails:
                raise RuntimeError(REASON)
            return looked(method, batch, step)

        monkeypatch.setattr(MMDinoV2, "losses", losses)
        fit(run, "mm-dinov2", {"settings": run.settings.model_dump(mode="json")})
        return tried

    looked = MMDinoV2.losses
    with pytest.raises(Preempted):
        train({}, fails=True)
    assert train({"batch": 4}, fails=False) == [1, 1, 1]
    assert read_json(tmp_path / "run.json")["memory_fallback"] is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RuntimeError(f"{REASON}. GPU 0 has …"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_a_gpus_memory_and_the_machines_are_told_from_other_errors(error, expected):
    assert ran_out(error) is expected


def test_a_method_without_parts_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match=r"does not hold the batch .*; lower `batch`"):
        take_smaller_parts(a_run(tmp_path, RadiomicsSettings()), 1, KEY, RuntimeError(REASON))
