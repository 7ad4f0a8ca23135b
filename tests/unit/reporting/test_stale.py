"""A study whose file was changed, and whose runs were not made again, is not told as if they were."""

from mmdino.files import read_json, write_json
from mmdino.reporting.data import gather
from mmdino.tables import PREDICTIONS, read_table, write_table
from results_factory import ARMS, write_study

ARM, SEEDS = "supervised-cnn", (0, 1)


def files(root):
    return gather(*write_study(root, {ARM: ARMS[ARM]}, SEEDS, bootstrap=100))


def problems(data):
    return {run.seed: run.problem for run in data.named(ARM).runs}


def test_a_run_of_other_settings_is_no_result_of_the_study(tmp_path):
    data = files(tmp_path)
    record = data.results / f"runs/{ARM}/seed-1/run.json"
    asked = data.study.resolved(ARM)["settings"]["lr"]
    write_json(record, {**read_json(record), "settings": {"lr": 0.5, "of_an_older_version": 1}})
    again = gather(data.study, data.results)
    assert problems(again) == {
        0: "",
        1: f"made with another lr (0.5, not {asked}) than the study's now; the same command makes it anew",
    }
    assert again.named(ARM).apart == "1 of 2 seeds"
    write_json(record, {**read_json(record), "settings": {"lr": asked}, "data_seen": {"slices": 3}})
    assert "another data_seen than" in problems(gather(data.study, data.results))[1]


def test_predictions_of_the_training_before_are_no_result_either(tmp_path):
    data = files(tmp_path)
    folder = data.results / f"runs/{ARM}/seed-0"
    frame = read_table(PREDICTIONS, folder / "predictions.parquet")
    frame.attrs["content_key"] = "before"
    write_table(PREDICTIONS, frame, folder / "predictions.parquet")
    write_json(folder / "run.json", {**read_json(folder / "run.json"), "content_key": "after"})
    assert problems(gather(data.study, data.results)) == {
        0: "trained again since it was predicted; the same command predicts it anew",
        1: "",
    }
    write_json(folder / "run.json", {**read_json(folder / "run.json"), "content_key": "before"})
    assert problems(gather(data.study, data.results)) == {0: "", 1: ""}
