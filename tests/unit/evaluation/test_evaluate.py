import json

import pandas as pd
import pytest
from sklearn import metrics as sk

from mmdino.evaluation.evaluate import evaluate, measure_all
from mmdino.evaluation.metrics import METRICS
from mmdino.evaluation.subsets import SUBSETS
from mmdino.tables import CLASSES
from results_factory import predictions, written


def test_an_outsider_gets_the_same_figures_with_ten_lines_of_scikit_learn(tmp_path):
    frame = predictions(subsets=SUBSETS[:1])
    evaluate(written(tmp_path, frame), tmp_path / "metrics.json", replicates=100)
    rows = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    assert len(rows) == 5 * 2
    keys, classes = ["split", "sequences", "protocol", "readout"], list(CLASSES)
    mine = pd.read_parquet(tmp_path / "predictions.parquet").groupby(keys)
    for row in rows:
        part = mine.get_group(tuple(row[key] for key in keys))
        truth, given = part["label"].map(classes.index), part[[f"p_{name}" for name in classes]].to_numpy()
        named = given.argmax(axis=1)
        sensitivity = sk.recall_score(truth, named, average=None)
        specificity = [sk.recall_score(truth == k, named == k, pos_label=False) for k in range(3)]
        expected = {
            "mcc": sk.matthews_corrcoef(truth, named),
            "balanced_accuracy": sk.balanced_accuracy_score(truth, named),
            "auroc": sk.roc_auc_score(truth, given, multi_class="ovr"),
            "auroc_ovo": sk.roc_auc_score(truth, given, multi_class="ovo"),
            "f1": sk.f1_score(truth, named, average="macro"),
            "brier": sk.brier_score_loss(truth, given),
            "log_loss": sk.log_loss(truth, given),
            **{f"sensitivity_{name}": value for name, value in zip(classes, sensitivity)},
            **{f"specificity_{name}": value for name, value in zip(classes, specificity)},
        }
        assert row["n"] == len(part)
        assert set(expected) | {"ece"} == set(METRICS)
        for metric, value in expected.items():
            assert row[metric]["value"] == pytest.approx(value, abs=1e-9), metric
        for metric in METRICS:
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
