"""Calibration, selective prediction, groups and mistakes of a whole made-up study, computed again in plain words."""

import numpy as np
import pandas as pd
import pytest

from mmdino.evaluation.metrics import mcc
from mmdino.files import read_json, write_json
from mmdino.reporting.data import gather
from mmdino.reporting.error_analysis import CALIBRATION, MISTAKES
from mmdino.reporting.report import write_tables
from mmdino.reporting.statistics import NAME, estimate, read_statistics, write_statistics
from mmdino.tables import CLASSES
from results_factory import ARMS, write_study

SOME = ("mm-dinov2", "supervised-cnn", "radiomics", "supervised-vit")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    study, results = write_study(tmp_path_factory.mktemp("errors"), {name: ARMS[name] for name in SOME}, seeds=(0, 1))
    data = gather(study, results)
    write_statistics(estimate(data), results)
    write_tables(data, read_statistics(results))
    return data, results


def table(results, name):
    return pd.read_csv(results / f"tables/{name}.tsv", sep="\t", keep_default_na=True)


def probabilities(results, arm, readout, split="test"):
    frames = []
    for seed in (0, 1):
        frame = pd.read_parquet(results / f"runs/{arm}/seed-{seed}/predictions.parquet")
        place = (frame["split"] == split) & (frame["sequences"] == "t1+t1c+t2+flair") & (frame["readout"] == readout)
        frames.append(frame[place & (frame["protocol"] == "transfer")].sort_values("subject"))
    return frames


def test_every_arm_that_was_run_is_there_and_no_other(made):
    _, results = made
    for name in ("calibration", "selective", "groups"):
        assert set(table(results, name)["experiment"]) == {"mm-dinov2", "supervised-cnn", "radiomics"}


def test_calibration_is_that_of_the_metrics_and_scaling_never_costs_log_loss_on_what_it_was_fitted_on(made):
    _, results = made
    calibration, metrics = table(results, "calibration").set_index("experiment"), table(results, "metrics")
    for metric in CALIBRATION:
        said = metrics[metrics["metric"] == metric].set_index("experiment")["value"]
        for arm in calibration.index:
            assert calibration.loc[arm, metric] == pytest.approx(said[arm], rel=1e-5)
    assert calibration[["ece_scaled_low", "ece_scaled_high", "temperature"]].notna().all(axis=None)


def test_groups_are_the_patients_of_a_cohort(made):
    _, results = made
    groups = table(results, "groups")
    test = groups[(groups["split"] == "test") & (groups["experiment"] == "mm-dinov2")]
    assert test["cohort"].tolist() == ["external"]
    assert test["n"].item() == 90
    assert groups.loc[groups["n"] < 10, "mcc"].isna().all()
    truth = [frame["label"].map(CLASSES.index).to_numpy() for frame in probabilities(results, "mm-dinov2", "cls")]
    named = [
        f[[f"p_{c}" for c in CLASSES]].to_numpy().argmax(axis=1) for f in probabilities(results, "mm-dinov2", "cls")
    ]
    counts = [pd.crosstab(t, n).reindex(range(3), fill_value=0).to_numpy() for t, n in zip(truth, named)]
    assert test["mcc"].item() == pytest.approx(np.mean([mcc(one) for one in counts]), abs=1e-5)


def test_mistakes_are_mistakes_and_the_surest_come_first(made):
    _, results = made
    rows = table(results, "mistakes")
    for arm, mine in rows.groupby("experiment"):
        assert len(mine) <= MISTAKES
        assert (mine["truth"] != mine["predicted"]).all()
        assert (mine["confidence"].diff().dropna() <= 0).all()
        readout = "head" if arm == "supervised-cnn" else "cls"
        first, second = probabilities(results, arm, readout)
        columns = [f"p_{name}" for name in CLASSES]
        mean = (first[columns].to_numpy() + second[columns].to_numpy()) / 2
        wrong = mean.argmax(axis=1) != first["label"].map(CLASSES.index).to_numpy()
        assert mine["confidence"].iloc[0] == pytest.approx(mean[wrong].max(), abs=1e-5)


def test_statistics_from_before_the_error_analysis_are_still_read(made, tmp_path):
    _, results = made
    old = read_json(results / NAME)
    for name in ("calibration", "selective", "groups", "mistakes"):
        del old[name]
    write_json(tmp_path / NAME, old)
    assert read_statistics(tmp_path).calibration == []
