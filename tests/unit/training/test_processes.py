"""Two processes that share every batch compute what one computes with the whole."""

import multiprocessing
import os
import pickle
import socket
import sys

import numpy as np
import pytest
import safetensors.numpy

from child_run import PRELOADED, train_one_of_two
from mmdino.errors import UserError
from mmdino.methods.base import Run, method
from mmdino.methods.common import processes
from mmdino.methods.frozen_vit.settings import Settings as FrozenSettings
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.training.loop import train
from mmdino.training.processes import companions
from studies import log_of
from tiny import TINY, TINY_MM_DINOV2


def free_port():
    with socket.socket() as opened:
        opened.bind(("localhost", 0))
        return str(opened.getsockname()[1])


@pytest.mark.parametrize("centering", ["centring", "sinkhorn"])
def test_two_processes_train_as_one(tiny_patients, tmp_path, centering):
    settings = Settings(
        **{**TINY_MM_DINOV2, "steps": 4, "drop_path": 0.0, "centering": centering, "class_weight": "batch"}
    )
    alone, shared = (Run(settings, 0, tmp_path / name / "seed-0", tiny_patients) for name in ("alone", "shared"))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    port, pickled = free_port(), pickle.dumps(shared)
    children = [context.Process(target=train_one_of_two, args=(pickled, rank, port)) for rank in (0, 1)]
    for child in children:
        child.start()
    alone.folder.mkdir(parents=True)
    train(alone, method("mm-dinov2").build(alone), {})
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert len(log_of(alone.folder)) == settings.steps
    for ours, theirs in zip(log_of(shared.folder), log_of(alone.folder), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5, rel=1e-5)
    one, two = (safetensors.numpy.load_file(run.folder / "model.safetensors") for run in (alone, shared))
    for name, value in one.items():
        np.testing.assert_allclose(two[name], value, atol=1e-5, err_msg=name)


def test_companions_are_started_with_their_ranks_and_waited_for(tmp_path):
    write = (
        "import os, pathlib, sys; pathlib.Path(sys.argv[1], os.environ['RANK']).write_text(os.environ['WORLD_SIZE'])"
    )
    with companions(3, [sys.executable, "-c", write, str(tmp_path)]):
        assert (os.environ["RANK"], os.environ["WORLD_SIZE"]) == ("0", "3")
    assert sorted((path.name, path.read_text()) for path in tmp_path.iterdir()) == [("1", "3"), ("2", "3")]
    assert "RANK" not in os.environ


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch):
    monkeypatch.setattr(processes, "world_size", lambda: 4)
    with pytest.raises(UserError, match="batch 6 cannot be shared by 4 processes"):
        processes.share(6)


def test_a_method_that_knows_no_processes_is_refused(tiny_patients, tmp_path, monkeypatch):
    monkeypatch.setattr("mmdino.training.loop.world_size", lambda: 2)
    run = Run(FrozenSettings(**TINY), 0, tmp_path, tiny_patients)
    with pytest.raises(UserError, match="trains in one process"):
        train(run, method("frozen-vit").build(run), {})
