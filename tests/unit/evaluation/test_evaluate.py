import json

import pytest
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from mmdino.evaluation.evaluate import evaluate, measure_all
from mmdino.evaluation.predictions import PROBABILITIES
from mmdino.evaluation.subsets import SUBSETS
from mmdino.tables import CLASSES
from results_factory import predictions, written


def test_an_outsider_gets_the_same_figures(tmp_path):
    frame = predictions(subsets=SUBSETS[:3])
    evaluate(written(tmp_path, frame), tmp_path / "metrics.json", replicates=100)
    rows = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    assert len(rows) == 3 * 5 * 2
    for row in rows:
        mine = frame[
            (
                frame[["split", "sequences", "protocol", "readout"]]
                == [row[k] for k in ("split", "sequences", "protocol", "readout")]
            ).all(axis=1)
        ]
        predicted = mine[PROBABILITIES].to_numpy().argmax(axis=1)
        truth = mine["label"].map(list(CLASSES).index)
        assert row["n"] == len(mine)
        assert row["mcc"]["value"] == pytest.approx(matthews_corrcoef(truth, predicted), abs=1e-9)
        assert row["auroc"]["value"] == pytest.approx(
            roc_auc_score(truth, mine[PROBABILITIES], multi_class="ovr"), abs=1e-9
        )
        for metric in ("mcc", "balanced_accuracy", "auroc", "f1"):
            assert row[metric]["low"] <= row[metric]["value"] <= row[metric]["high"]


def test_the_same_predictions_give_the_same_file(tmp_path):
    path = written(tmp_path, predictions(subsets=SUBSETS[:1]))
    evaluate(path, tmp_path / "a.json", replicates=100)
    evaluate(path, tmp_path / "b.json", replicates=100)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_a_class_without_test_patients_has_a_reason_and_no_figures():
    frame = predictions(subsets=SUBSETS[:1], readouts=("cls",))
    frame = frame[(frame["split"] == "val") | (frame["label"] != "oligodendroglioma")]
    by_split = {row["split"]: row for row in measure_all(frame, 100)["metrics"] if row["protocol"] == "refit"}
    assert by_split["test"]["reason"] == "no patient with oligodendroglioma"
    assert by_split["test"]["f1"] is None
    assert by_split["test"]["mcc"]["value"] > 0
    assert by_split["val"]["reason"] == ""


@pytest.mark.parametrize(
    ("kept", "reason"),
    [(["glioblastoma"], "no patient with astrocytoma or oligodendroglioma"), ([], "no labelled patient")],
)
def test_one_class_or_none(kept, reason):
    frame = predictions(subsets=SUBSETS[:1], readouts=("head",))
    frame["label"] = frame["label"].where(frame["label"].isin(kept), "")
    for row in measure_all(frame, 100)["metrics"]:
        assert row["reason"] == reason
        assert row["mcc"] is None
