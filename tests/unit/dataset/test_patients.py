from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from factories import tiny_study
from mmdino.config import Data
from mmdino.dataset.patients import Patients
from mmdino.errors import UserError


def test_test_labels_are_hidden_unless_asked_for(tiny_patients):
    test = tiny_patients.select("test")
    assert len(test) == 6
    assert (tiny_patients.targets(test) == -1).all()
    assert sorted(tiny_patients.labels(test)) == [0, 0, 1, 1, 2, 2]
    train = tiny_patients.select("train")
    np.testing.assert_array_equal(tiny_patients.targets(train), tiny_patients.labels(train))


def test_unseen_labels_are_hidden_in_training(tmp_path):
    patients = tiny_study(tmp_path, labelled_fraction=0.3)
    hidden, seen = patients.select("train", labelled=False), patients.select("train", labelled=True)
    assert len(hidden) == 12
    assert len(seen) == 6
    assert (patients.targets(hidden) == -1).all()
    assert (patients.targets(seen) >= 0).all()
    assert (patients.labels(hidden) >= 0).all()
    assert sorted(hidden + seen) == patients.select("train")


def test_who_has_no_slices_is_left_out(tiny_patients):
    splits = tiny_patients.splits.reset_index(drop=True)
    ghost = splits.iloc[[0]].assign(patient="ghost", subject="ghost")
    with_ghost = Patients(tiny_patients.bank, pd.concat([splits, ghost]))
    assert "ghost" not in with_ghost.select("train") + with_ghost.select("val") + with_ghost.select("test")
    assert with_ghost.fingerprint() == tiny_patients.fingerprint()


def test_evaluation_slices_come_in_the_order_asked(tiny_patients):
    subjects = tiny_patients.select("val")
    crops = tiny_patients.evaluation_slices(subjects)
    back = tiny_patients.evaluation_slices(subjects[::-1])
    np.testing.assert_array_equal(crops.images, back.images[::-1])
    for subject, tumour in zip(subjects, crops.tumour):
        rows = tiny_patients.bank.training_rows(subject)
        assert tumour.sum() == tiny_patients.bank.index["tumour_voxels"][rows].max()


def test_fingerprint_changes_with_a_label(tiny_patients):
    changed = tiny_patients.splits.reset_index(drop=True)
    changed.loc[0, "labelled"] = False
    assert Patients(tiny_patients.bank, changed).fingerprint() != tiny_patients.fingerprint()


def test_fingerprint_changes_with_an_age_that_is_known(tiny_patients):
    before = tiny_patients.splits.reset_index(drop=True)
    changed = before.assign(age=[40.0, *before["age"][1:]])
    assert Patients(tiny_patients.bank, changed).fingerprint() != tiny_patients.fingerprint()
    assert Patients(tiny_patients.bank, changed).people(before["subject"][:2])["age"].fillna(-1).tolist() == [40, -1]


def test_fewer_labels_are_a_part_of_more_and_every_class_keeps_one(tiny_patients):
    splits = tiny_patients.splits.reset_index(drop=True)
    shares = (0.01, 0.4, 0.7, 1.0)
    seen = [Patients(tiny_patients.bank, splits, Data(labelled_fraction=share)) for share in shares]
    labelled = [set(patients.select("train", labelled=True)) for patients in seen]
    assert all(few < more for few, more in pairwise(labelled))
    assert sorted(seen[0].targets(sorted(labelled[0]))) == [0, 1, 2]
    for patients in seen:
        assert patients.select("train") == tiny_patients.select("train")
        assert (patients.targets(patients.select("val")) >= 0).all()


def test_unlabelled_patients_are_dropped_from_training_alone(tmp_path):
    whole = tiny_study(tmp_path, labelled_fraction=0.3)
    half = Patients(whole.bank, whole.splits.reset_index(drop=True), Data(unlabelled_fraction=0.5))
    assert len(half.select("train", labelled=False)) == 6
    for split in ("val", "test"):
        assert half.select(split) == whole.select(split)
    assert half.select("train", labelled=True) == whole.select("train", labelled=True)


def test_further_looks_are_the_slices_with_less_tumour(tmp_path):
    whole = tiny_study(tmp_path, patients=9, axes=(0, 2))
    subjects = whole.select("val")
    looks = Patients(whole.bank, whole.splits.reset_index(drop=True), Data(slices=2, axes=[2, 0])).looks(subjects)
    assert len(looks) == 4
    np.testing.assert_array_equal(looks[0].slices.images, whole.evaluation_slices(subjects).images)
    areas = [look.slices.tumour.sum(axis=(1, 2)) for look in looks]
    assert (areas[1] <= areas[0]).all()
    with pytest.raises(UserError, match="no slice of axis 1"):
        Patients(whole.bank, whole.splits.reset_index(drop=True), Data(axes=[1])).looks(subjects)


def test_a_left_out_cohort_is_the_test_and_the_external_one_is_not_looked_at(tiny_patients):
    splits = tiny_patients.splits.reset_index(drop=True)
    cohort = splits["cohort"].where(splits["split"] == "test", ["one", "other"] * (len(splits) // 2))
    splits = splits.assign(cohort=cohort, labelled=splits["labelled"] & (cohort != "one"))
    left = Patients(tiny_patients.bank, splits, Data(leave_out="one"))
    assert left.select("test") == sorted(splits["subject"][cohort == "one"])
    assert set(left.cohorts(left.select("train") + left.select("val"))) == {"other"}
    assert (left.targets(left.select("test")) == -1).all()
    with pytest.raises(UserError, match=r"leave_out is 'oter'.*did you mean 'other'"):
        Patients(tiny_patients.bank, splits, Data(leave_out="oter"))
