"""A run that is killed at ten random moments ends in the bytes of one that was left alone."""

import json
import multiprocessing
import pickle
import signal

import numpy as np
import pytest

from child_run import PRELOADED, train_and_predict
from mmdino.methods.base import Run
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.training.log import TIMINGS
from tiny import TINY_MM_DINOV2

KILLS, STEPS = 10, 24


@pytest.fixture(scope="module")
def processes():
    """Children that are forked from a server which has imported torch already: a start costs no seconds."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


def start(processes, patients, folder):
    run = Run(Settings(**{**TINY_MM_DINOV2, "steps": STEPS, "evaluate_every": 20}), 0, folder / "seed-0", patients)
    run.folder.mkdir(parents=True, exist_ok=True)
    ours, theirs = processes.Pipe(duplex=False)
    child = processes.Process(target=train_and_predict, args=(pickle.dumps(run), theirs))
    child.start()
    theirs.close()
    return child, ours, run.folder


def finish(child, connection):
    try:
        while True:
            connection.recv()
    except EOFError:
        child.join()
    assert child.exitcode == 0


def test_ten_kills_at_random_moments_end_in_the_same_bytes(tiny_patients, tmp_path, processes):
    child, connection, undisturbed = start(processes, tiny_patients, tmp_path / "undisturbed")
    finish(child, connection)
    rng = np.random.default_rng(0)
    for at in np.sort(rng.integers(0, STEPS - 1, KILLS)):
        child, connection, folder = start(processes, tiny_patients, tmp_path / "killed")
        while connection.recv() < at:
            pass
        connection.poll(rng.uniform(0, 0.1))  # somewhere in the step, in an evaluation, or in writing a checkpoint
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
    child, connection, folder = start(processes, tiny_patients, tmp_path / "killed")
    finish(child, connection)
    for name in ("model.safetensors", "predictions.parquet"):
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes(), name
    logs = [(path / "log.jsonl").read_text().splitlines() for path in (folder, undisturbed)]
    assert [without_timings(line) for line in logs[0]] == [without_timings(line) for line in logs[1]]
    assert len(logs[0]) == STEPS


def without_timings(line):
    return {name: value for name, value in json.loads(line).items() if name not in TIMINGS}
