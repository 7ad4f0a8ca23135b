import dataclasses

import numpy as np
import pytest
import torch

from factories import tiny_study
from mmdino.config import Volumes
from mmdino.errors import UserError
from mmdino.evaluation.predict import predict
from mmdino.methods.base import Run, method
from mmdino.methods.common.batch import rendered
from mmdino.methods.supervised_cnn_3d.settings import Settings
from mmdino.tables import SEQUENCES, sequence_set
from mmdino.training.fit import fit

SETTINGS = Settings(
    network="resnet10", image_size=32, batch=12, steps=40, warmup_steps=4, sequence_dropout=0.2, lr=2e-3,
    evaluate_every=20, precision="fp32",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained run on volumes of three planes."""
    folder = tmp_path_factory.mktemp("volumes")
    patients = tiny_study(folder, volumes=Volumes(size=48, planes=3, gap=4.0))
    run = Run(SETTINGS, 0, folder / "run", patients)
    fit(run, "supervised-cnn-3d", {"experiment": "supervised-cnn-3d"})
    return run


@pytest.fixture
def encoder(run):
    return method("supervised-cnn-3d").load(run)


def test_it_learns_the_planted_signal(run, encoder):
    patients = run.patients
    asked = patients.select("val") + patients.select("train")
    probabilities = encoder.probabilities(patients.evaluation_slices(asked), SEQUENCES)
    assert np.mean(probabilities.argmax(1) == patients.targets(asked)) > 0.7
    assert encoder.features(patients.evaluation_slices(asked), SEQUENCES)["cls"].shape == (len(asked), 512)


def test_all_planes_of_a_batch_move_together(run):
    trainable = method("supervised-cnn-3d").build(run)
    batch = rendered(trainable.batch(0))
    assert batch.views.shape == (12, 4, 3, 32, 32)
    smooth = torch.nn.functional.avg_pool2d(batch.views.flatten(1, 2), 5).unflatten(1, (4, 3))  # less of the noise
    for views in smooth[:, SEQUENCES.index("t1c"), 1:]:  # a cylinder's lowest slice is the middle one
        assert torch.corrcoef(views.flatten(1)).min() > 0.8


def test_a_missing_sequence_has_no_influence(run, encoder):
    slices = run.patients.evaluation_slices(run.patients.select("val"))
    spoilt = dataclasses.replace(slices, images=slices.images.copy())
    spoilt.images[:, [1, 2]] = np.random.default_rng(0).random(spoilt.images[:, [1, 2]].shape)
    for shown, same in ((("t1", "flair"), True), (SEQUENCES, False)):
        one, other = (encoder.features(given, shown)["cls"] for given in (slices, spoilt))
        assert np.array_equal(one, other) == same


def test_every_set_of_sequences_is_predicted(run):
    frame = predict(run, "supervised-cnn-3d", ["transfer"], progress=False)
    heads = frame[frame["readout"] == "head"]
    assert heads["sequences"].nunique() == 15
    assert sequence_set(SEQUENCES) in set(heads["sequences"])


def test_few_planes_are_refused_by_a_densenet_and_enough_are_not(run):
    dense = dataclasses.replace(run, settings=SETTINGS.model_copy(update={"network": "densenet121"}))
    with pytest.raises(UserError, match="densenet121 needs volumes of at least 32 planes, and the study's have 3"):
        method("supervised-cnn-3d").build(dense)
    from mmdino.methods.supervised_cnn_3d.method import new_network

    network = new_network(dense.settings, seed=0, planes=33).eval()
    with torch.no_grad():
        scores = network(torch.rand(1, 4, 33, 32, 32), torch.ones(1, 4, dtype=torch.bool))
    assert scores.shape == (1, 3)
    with pytest.raises(UserError, match="holds no trained 3-D 'resnet18'"):
        method("supervised-cnn-3d").load(
            dataclasses.replace(run, settings=SETTINGS.model_copy(update={"network": "resnet18"}))
        )
