import numpy as np
import pandas as pd

from factories import tiny_study
from mmdino.dataset.patients import Patients


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
