import dataclasses
import json
import shutil

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from mmdino.errors import UserError
from mmdino.methods.base import Run, method
from mmdino.methods.nnunet_encoder.settings import Settings
from mmdino.models.logistic import fit_sweep
from mmdino.models.nnunet import CARRIED
from mmdino.tables import SEQUENCES
from mmdino.training.fit import fit


@pytest.fixture(scope="module")
def run(tiny_patients, tmp_path_factory):
    run = Run(Settings(), 0, tmp_path_factory.mktemp("run"), tiny_patients)
    fit(run, "nnunet-encoder", {"experiment": "nnunet-encoder"})
    return run


def test_its_features_show_the_planted_signal(run):
    patients, encoder = run.patients, method("nnunet-encoder").load(run)
    train, asked = patients.select("train"), patients.select("val") + patients.select("test")
    seen, held = (encoder.features(patients.evaluation_slices(who), SEQUENCES)["cls"] for who in (train, asked))
    assert seen.dtype == np.float32
    regression = fit_sweep(seen, patients.targets(train), seed=0)
    assert matthews_corrcoef(patients.labels(asked), regression.predict_proba(held).argmax(1)) > 0.5
    assert encoder.probabilities(patients.evaluation_slices(asked), SEQUENCES) is None


def test_fewer_stages_are_the_deepest_and_both_poolings_stand_side_by_side(run):
    slices = run.patients.evaluation_slices(run.patients.select("val"))

    def seen(**changed):
        encoder = method("nnunet-encoder").load(dataclasses.replace(run, settings=Settings(**changed)))
        return encoder.features(slices, SEQUENCES)["cls"]

    whole, deep = seen(), seen(deepest=1)
    assert 0 < deep.shape[1] < whole.shape[1]
    np.testing.assert_array_equal(deep, whole[:, -deep.shape[1] :])
    both = seen(deepest=1, pooling="both")
    np.testing.assert_array_equal(both, np.concatenate([deep, seen(deepest=1, pooling="max")], axis=1))
    np.testing.assert_array_equal(seen(deepest=99), whole)


def test_hidden_sequences_have_no_influence(run):
    encoder = method("nnunet-encoder").load(run)
    slices = run.patients.evaluation_slices(run.patients.select("val"))
    spoilt = dataclasses.replace(slices, images=slices.images.copy())
    spoilt.images[:, 1] = 0.3
    for shown, same in ((("t1", "flair"), True), (SEQUENCES, False)):
        one, other = (encoder.features(given, shown)["cls"] for given in (slices, spoilt))
        assert np.array_equal(one, other) == same


def test_what_is_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"dataset\.json"):
        method("nnunet-encoder").build(dataclasses.replace(run, settings=Settings(model=str(tmp_path / "none"))))
    other = shutil.copytree(CARRIED, tmp_path / "other")
    dataset = json.loads((other / "dataset.json").read_text())
    dataset["channel_names"]["0"] = "adc"
    (other / "dataset.json").write_text(json.dumps(dataset))
    with pytest.raises(UserError, match="channel 'adc' is not t1, t1c, t2 or flair"):
        method("nnunet-encoder").build(dataclasses.replace(run, settings=Settings(model=str(other))))
