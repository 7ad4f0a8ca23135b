import numpy as np

from mmdino.methods.base import Run, method
from mmdino.methods.majority.settings import Settings
from mmdino.models.logistic import fit_sweep
from mmdino.tables import SEQUENCES
from mmdino.training.fit import fit


def test_it_says_the_classes_shares_of_everybody(tiny_patients, tmp_path):
    run = Run(Settings(), 0, tmp_path, tiny_patients)
    fit(run, "majority", {"experiment": "majority"})
    train, val = tiny_patients.select("train", labelled=True), tiny_patients.select("val")
    slices = tiny_patients.evaluation_slices(val)
    encoder, targets = method("majority").load(run), tiny_patients.targets(train)
    shares = np.bincount(targets, minlength=3) / len(targets)
    for shown in (SEQUENCES, ("t1",)):
        np.testing.assert_allclose(encoder.probabilities(slices, shown), np.tile(shares, (len(val), 1)), atol=1e-6)
    features = encoder.features(slices, SEQUENCES)["cls"]
    regression = fit_sweep(np.zeros((len(train), 1)), targets, seed=0)
    assert len(np.unique(regression.predict_proba(features).argmax(1))) == 1
