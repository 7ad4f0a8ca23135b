import numpy as np
import pytest

from mmdino.errors import UserError
from mmdino.evaluation.predictions import Place, group, read_predictions, select
from mmdino.evaluation.subsets import ALL, SUBSETS, without
from results_factory import predictions, written

FEW = SUBSETS[:2]


def refused(tmp_path, change) -> str:
    frame = predictions(subsets=FEW, val=5, test=5)
    change(frame)
    path = written(tmp_path, frame)
    with pytest.raises(UserError) as raised:
        read_predictions(path)
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_fifteen_sets_beginning_with_all_four():
    assert len(SUBSETS) == len(set(SUBSETS)) == 15
    assert "+".join(SUBSETS[0]) == ALL == "t1+t1c+t2+flair"
    assert without("t1c") == "t1+t2+flair"


def test_good_predictions_come_back(tmp_path):
    frame = predictions(subsets=FEW, val=5, test=5)
    assert read_predictions(written(tmp_path, frame)).equals(frame)


def test_probabilities_that_do_not_sum_to_one(tmp_path):
    said = refused(
        tmp_path, lambda frame: frame.__setitem__("p_astrocytoma", frame["p_astrocytoma"].where(frame.index != 3, 2.0))
    )
    assert "row 3 (subject sub-0003)" in said


def test_nan_probabilities(tmp_path):
    said = refused(tmp_path, lambda frame: frame.loc.__setitem__((4, "p_glioblastoma"), np.nan))
    assert "row 4" in said


@pytest.mark.parametrize(
    ("split", "said"), [("tset", "'tset'; did you mean 'test'?"), ("", "''"), ("train", "'train'")]
)
def test_a_patient_of_no_split_that_is_predicted(tmp_path, split, said):
    answer = refused(tmp_path, lambda f: f.loc.__setitem__((6, "split"), split))
    assert f"row 6 (subject sub-0006): unknown split {said}" in answer


def test_a_patient_of_two_splits(tmp_path):
    assert "sub-0001): the patient is in two splits" in refused(
        tmp_path, lambda f: f.loc.__setitem__((11, "split"), "test")
    )


def test_a_set_of_sequences_with_no_patient_or_with_fewer(tmp_path):
    frame = predictions(subsets=FEW, val=5, test=5)
    second = (frame["sequences"] == "t1+t1c+t2") & (frame["readout"] == "cls") & (frame["protocol"] == "transfer")
    for lost, said in (
        (second, "row 0 (subject sub-0000): 10 of 10"),
        (second & (frame["subject"] == "sub-0004"), "row 4 (subject sub-0004): 1 of 10"),
    ):
        path = written(tmp_path, frame[~lost])
        with pytest.raises(UserError) as raised:
            read_predictions(path)
        assert f"{path}: {said} patients, this one first, have no answer under t1+t1c+t2 (transfer, cls)" in str(
            raised.value
        )


def test_a_label_outside_the_classes(tmp_path):
    assert "unknown label 'ependymoma'" in refused(tmp_path, lambda f: f.loc.__setitem__((0, "label"), "ependymoma"))


def test_a_patient_twice(tmp_path):
    frame = predictions(subsets=FEW, val=5, test=5)
    frame.loc[1, "subject"] = frame.loc[0, "subject"]
    path = tmp_path / "predictions.parquet"
    frame.to_parquet(path)
    with pytest.raises(UserError, match="row 1: two rows for subject=sub-0000"):
        read_predictions(path)


def test_select_sorts_by_subject_and_drops_the_unlabelled():
    frame = predictions(subsets=FEW, val=5, test=8).sample(frac=1, random_state=0)
    frame.loc[frame["subject"] == "sub-0006", "label"] = ""
    answers = select(group(frame), "test", "cls")
    assert answers.subjects.tolist() == [f"sub-{n:04d}" for n in (5, 7, 8, 9, 10, 11, 12)]
    assert answers.probabilities.shape == (7, 3)
    assert select(group(frame), "test", "wavelets") is None


def test_groups_cover_every_place_and_the_unlabelled_ones_are_empty():
    frame = predictions(subsets=FEW, val=5, test=8)
    frame["label"] = frame["label"].where(frame["split"] == "val", "")
    found = group(frame)
    assert len(found) == 2 * 2 * 5
    assert len(found[Place("val", ALL, "transfer", "head")]) == 5
    assert len(found[Place("test", ALL, "transfer", "head")]) == 0
