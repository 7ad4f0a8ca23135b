import dataclasses
import json

import numpy as np
import pytest

from mmdino.dataset.patients import Patients
from mmdino.errors import UserError
from mmdino.evaluation.looking import look
from mmdino.methods.base import Run, method
from mmdino.methods.clinical_floor.settings import Settings
from mmdino.models.logistic import fit_sweep
from mmdino.tables import SEQUENCES
from mmdino.training.fit import fit


def fitted(patients, folder):
    """Return the encoder of a run, loaded, and what its record says was looked at."""
    run = Run(Settings(), 0, folder, patients)
    fit(run, "clinical-floor", {"experiment": "clinical-floor"})
    return method("clinical-floor").load(run), json.loads((folder / "run.json").read_text())["clinical"]


def shown(encoder, patients, subjects):
    return encoder.features(patients.evaluation_slices(subjects), SEQUENCES)["cls"]


def test_volume_is_counted_over_the_axial_slices_whatever_is_shown(tiny_patients, tmp_path):
    with pytest.raises(UserError, match="holds no clinical floor"):
        method("clinical-floor").load(Run(Settings(), 0, tmp_path, tiny_patients))
    encoder, used = fitted(tiny_patients, tmp_path)
    assert used == ["volume"]
    asked = tiny_patients.select("val")
    index = tiny_patients.bank.index
    voxels = index[index["axis"] == 2].groupby("subject")["tumour_voxels"].sum()
    seen = look(encoder, tiny_patients, asked, [SEQUENCES, ("t1",)], with_head=True, title="", progress=False)
    for answer in seen.values():
        found, logarithm = answer.values["cls"], np.log1p(voxels)
        assert found.shape == (len(asked), 1)
        expected = logarithm.loc[asked] - logarithm.loc[tiny_patients.select("train")].mean()
        np.testing.assert_allclose(found[:, 0], expected, atol=1e-5)
    assert set(seen[SEQUENCES].values) == {"cls"}
    cut = dataclasses.replace(tiny_patients.evaluation_slices(asked), rows=None)
    with pytest.raises(ValueError, match="read from a bank"):
        encoder.features(cut, SEQUENCES)


def told(patients, age, sex):
    """Return the patients with an age and a sex each, functions of the true class and of a running number."""
    splits = patients.splits.reset_index(drop=True)
    classes = patients.labels(splits["subject"])
    splits["age"] = [age(number, name) for number, name in enumerate(classes)]
    splits["sex"] = [sex(number, name) for number, name in enumerate(classes)]
    return Patients(patients.bank, splits)


def test_age_and_sex_are_used_where_they_are_known_and_their_median_where_not(tiny_patients, tmp_path):
    known = told(
        tiny_patients,
        lambda number, name: np.nan if number % 5 == 4 else 30.0 + 10 * name,
        lambda number, name: "" if number % 7 == 6 else ("male" if name == 1 else "female"),
    )
    encoder, used = fitted(known, tmp_path)
    assert used == ["volume", "age", "sex"]
    people, everybody = known.splits, list(known.splits["subject"])
    seen = shown(encoder, known, everybody)
    assert seen.shape == (len(everybody), 5)
    train = people[people["split"] == "train"]
    unknown = people["age"].isna().to_numpy()
    np.testing.assert_array_equal(seen[:, 2], unknown)
    np.testing.assert_allclose(seen[~unknown, 1], people["age"].to_numpy()[~unknown] - train["age"].median())
    assert not seen[unknown, 1].any()
    np.testing.assert_array_equal(seen[:, 4], people["sex"] == "")
    assert set(np.unique(seen[:, 3])) == {0.0, 1.0}


def test_an_age_that_tells_the_class_is_learnt(tiny_patients, tmp_path):
    known = told(tiny_patients, lambda number, name: 30.0 + 10 * name, lambda number, name: "")
    encoder, used = fitted(known, tmp_path)
    assert used == ["volume", "age"]
    train, test = known.select("train"), known.select("test")
    regression = fit_sweep(shown(encoder, known, train), known.targets(train), seed=0)
    assert (regression.predict_proba(shown(encoder, known, test)).argmax(1) == known.labels(test)).mean() > 0.8


def test_what_only_a_test_patient_tells_is_not_used(tiny_patients, tmp_path):
    tested = tiny_patients.select("test")
    splits = tiny_patients.splits.reset_index(drop=True)
    splits.loc[splits["subject"].isin(tested), "age"] = 50.0
    encoder, used = fitted(Patients(tiny_patients.bank, splits), tmp_path)
    assert used == ["volume"]
    assert shown(encoder, tiny_patients, tested).shape == (len(tested), 1)
