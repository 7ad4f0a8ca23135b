import dataclasses

import numpy as np
import pytest
import torch

from factories import tiny_study
from mmdino.config import Volumes
from mmdino.dataset.bank import SliceBank
from mmdino.dataset.patients import Patients
from mmdino.errors import UserError
from mmdino.methods.base import Run, method
from mmdino.methods.supervised_cnn_25d.settings import Settings
from mmdino.tables import SEQUENCES
from mmdino.training.fit import fit

SETTINGS = Settings(
    network="resnet10t", image_size=32, batch=6, steps=12, warmup_steps=4, lr=2e-3, evaluate_every=0, precision="fp32",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A trained run on the three middle ones of five planes."""
    folder = tmp_path_factory.mktemp("planes")
    patients = tiny_study(folder, planes=5, volumes=Volumes(size=48, planes=5, gap=4.0))
    bank = SliceBank.open([folder / "slices" / name for name in ("home", "away")], SETTINGS.planes)
    run = Run(SETTINGS, 0, folder / "run", Patients(bank, patients.splits.reset_index(drop=True)))
    fit(run, "supervised-cnn-25d", {"experiment": "supervised-cnn-25d"})
    return run


def test_planes_are_channels_of_their_sequence(run):
    network = method("supervised-cnn-25d").build(run).network.eval()
    images, shown = torch.randn(2, 4, 3, 32, 32), torch.tensor([[True, True, False, True], [True] * 4])
    filled = images.clone()
    filled[0, 2] = 0  # all three planes of the hidden sequence
    with torch.no_grad():
        stacked = network.head(network.body.body(filled.reshape(2, 12, 32, 32)))
        torch.testing.assert_close(network(images, shown), stacked)
        assert not torch.allclose(network(images.flip(2), shown), stacked)  # the order of the planes is seen


def test_the_neighbours_are_looked_at_and_a_missing_sequence_is_not(run):
    encoder = method("supervised-cnn-25d").load(run)
    slices = run.patients.evaluation_slices(run.patients.select("val"))
    assert slices.images.shape[1:] == (4, 3, 48, 48)
    spoilt = dataclasses.replace(slices, images=slices.images.copy())
    spoilt.images[:, 1, [0, 2]] = np.random.default_rng(0).random(spoilt.images[:, 1, [0, 2]].shape)
    for shown, same in ((("t1", "flair"), True), (SEQUENCES, False)):
        one, other = (encoder.features(given, shown)["cls"] for given in (slices, spoilt))
        assert np.array_equal(one, other) == same
    with pytest.raises(UserError, match="holds no trained 'resnet10t' of 1 planes"):
        method("supervised-cnn-25d").load(dataclasses.replace(run, settings=SETTINGS.model_copy(update={"planes": 1})))
