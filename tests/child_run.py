"""A tiny run in a process of its own, for tests that kill it or give it companions."""

import os
import pickle
from pathlib import Path

from mmdino.evaluation.predict import predict
from mmdino.methods.base import method
from mmdino.tables import PREDICTIONS, write_table
from mmdino.training.loop import train
from mmdino.training.processes import process_group

# For a server from which children are forked, so that a start costs no seconds (torch._dynamo: an optimiser imports it).
PRELOADED = ["torch._dynamo", "mmdino.methods.mm_dinov2.method", "mmdino.evaluation.predict", "mmdino.training.loop"]


def train_and_predict(patients_and_run, connection=None, checkpoint_every=2):
    """Train a pickled run, telling ``connection`` each step as it begins, and predict."""
    run = pickle.loads(patients_and_run)
    built = method("mm-dinov2").build(run)
    batch = built.batch

    def told(step):
        if connection is not None:
            connection.send(step)
        return batch(step)

    built.batch = told
    train(run, built, {"settings": run.settings.model_dump(mode="json")}, checkpoint_every)
    write_table(PREDICTIONS, predict(run, "mm-dinov2", ["transfer"]), run.folder / "predictions.parquet")


def train_one_of_two(run, rank, port):
    """Train as process ``rank`` of two that share every batch."""
    os.environ.update(WORLD_SIZE="2", RANK=str(rank), LOCAL_RANK=str(rank), MASTER_ADDR="localhost", MASTER_PORT=port)
    unpickled = pickle.loads(run)
    Path(unpickled.folder).mkdir(parents=True, exist_ok=True)
    with process_group():
        train(unpickled, method("mm-dinov2").build(unpickled), {}, checkpoint_every=2)
