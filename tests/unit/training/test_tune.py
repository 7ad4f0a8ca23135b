"""The search is fair, resumable and blind to the test split. All but one training is scored by a formula."""

import pandas as pd
import pytest

from mmdino.config import Experiment
from mmdino.dataset.patients import Patients
from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.methods.supervised_vit.settings import Settings
from mmdino.training import tune as module
from mmdino.training.interrupt import Preempted
from mmdino.training.tune import tune
from tiny import TINY_TRAINING

SETTINGS = Settings(**TINY_TRAINING)
SPACES = {"lr": {"low": 1e-5, "high": 1e-1, "log": True}, "drop_path": {"choices": [0.0, 0.2]}}


def experiment(**changed) -> Experiment:
    base = {
        "name": "vit",
        "title": "ViT",
        "question": "?",
        "method": "supervised-vit",
        "readout": "head",
        "tune": SPACES,
    }
    return Experiment(**base | changed)


@pytest.fixture(scope="module")
def blind(tiny_patients):
    splits = tiny_patients.splits.reset_index(drop=True)
    return Patients(tiny_patients.bank, splits[splits["split"] != "test"])


@pytest.fixture
def scored(monkeypatch):
    """Exchange training for a formula that is best at a rate of .001; return the runs that were asked for."""
    asked = []

    def fit(run, method, resolved):
        asked.append(run)
        assert not run.patients.select("test")
        write_json(run.folder / "run.json", {"best": {"mcc": {"head": 1 - abs(run.settings.lr - 0.001), "cls": 0.0}}})

    monkeypatch.setattr(module, "fit", fit)
    return asked


def test_the_budget_is_spent_and_the_settings_as_they_are_come_first(scored, blind, tmp_path):
    found = tune(experiment(), SETTINGS, blind, 0, 8, tmp_path)
    assert len(scored) == found["trials"] == found["budget"] == 8
    assert scored[0].settings == SETTINGS
    rows = pd.read_csv(tmp_path / "trials.tsv", sep="\t")
    assert len(rows) == 8
    assert rows["lr"].between(1e-5, 1e-1).all()
    assert found["best"]["mcc"] == pytest.approx(rows["mcc"].max())
    assert found["first_mcc"] == pytest.approx(1 - abs(SETTINGS.lr - 0.001))
    assert read_json(tmp_path / "best.json") == found


def test_a_search_goes_on_where_it_was_stopped_and_ends_in_the_same(scored, blind, tmp_path, monkeypatch):
    whole = tune(experiment(), SETTINGS, blind, 0, 6, tmp_path / "whole")
    formula, turns = module.fit, iter(range(99))

    def stopped(run, method, resolved):
        if next(turns) == 3:
            raise Preempted("stop")
        formula(run, method, resolved)

    monkeypatch.setattr(module, "fit", stopped)
    with pytest.raises(Preempted):
        tune(experiment(), SETTINGS, blind, 0, 6, tmp_path / "stopped")
    again = tune(experiment(), SETTINGS, blind, 0, 6, tmp_path / "stopped")
    assert again["trials"] == 6
    assert again["best"]["settings"] == whole["best"]["settings"]
    more = tune(experiment(), SETTINGS, blind, 0, 7, tmp_path / "stopped")
    assert more["trials"] == 7


def test_a_trial_that_diverges_counts_and_says_why(scored, blind, tmp_path, monkeypatch):
    formula = module.fit

    def diverging(run, method, resolved):
        if run.settings != SETTINGS:
            raise UserError("loss is not finite")
        formula(run, method, resolved)

    monkeypatch.setattr(module, "fit", diverging)
    found = tune(experiment(), SETTINGS, blind, 0, 3, tmp_path)
    assert found["trials"] == 3
    assert found["best"]["settings"] == {"lr": SETTINGS.lr, "drop_path": SETTINGS.drop_path}
    rows = pd.read_csv(tmp_path / "trials.tsv", sep="\t")
    assert rows["state"].tolist() == ["complete", "fail", "fail"]
    assert rows["reason"].tolist()[1:] == ["loss is not finite"] * 2


def test_a_real_training_that_diverges_is_a_failed_trial(blind, tmp_path):
    settings = Settings(**{**TINY_TRAINING, "lr": 1e30})
    with pytest.raises(UserError, match="all 1 trials failed"):
        tune(experiment(tune={"lr": {"choices": [1e30, 1e-3]}}), settings, blind, 0, 1, tmp_path)
    rows = pd.read_csv(tmp_path / "trials.tsv", sep="\t")
    assert rows["state"].tolist() == ["fail"]
    assert "is not finite at step" in rows["reason"][0]


@pytest.mark.parametrize("changed", ["settings", "splits", "seed"])
def test_a_search_takes_no_training_of_another_one(scored, blind, tmp_path, changed):
    tune(experiment(tune={"lr": SPACES["lr"]}), SETTINGS, blind, 0, 1, tmp_path)
    settings, patients, seed = SETTINGS, blind, 0
    if changed == "settings":
        settings = Settings(**{**TINY_TRAINING, "label_smoothing": 0.0})
    elif changed == "splits":
        patients = Patients(blind.bank, blind.splits.reset_index(drop=True).iloc[1:])
    else:
        seed = 1
    tune(experiment(tune={"lr": SPACES["lr"]}), settings, patients, seed, 1, tmp_path)
    assert [(run.settings, run.seed) for run in scored] == [(SETTINGS, 0), (settings, seed)]


def test_a_search_whose_find_is_in_use_is_done(scored, blind, tmp_path):
    before = Settings(**{**TINY_TRAINING, "lr": 0.05})
    found = tune(experiment(), before, blind, 0, 6, tmp_path)
    assert found["best"]["settings"]["lr"] != before.lr
    used = Settings(**{**TINY_TRAINING, **found["best"]["settings"]})
    assert tune(experiment(), used, blind, 0, 6, tmp_path) == found
    assert len(scored) == 6


def test_a_search_of_other_spaces_takes_over_the_trainings_of_what_it_chooses_too(scored, blind, tmp_path):
    tune(experiment(tune={"lr": SPACES["lr"]}), SETTINGS, blind, 0, 1, tmp_path)
    tune(experiment(tune={"lr": {"low": 1e-4, "high": 1e-2}}), SETTINGS, blind, 0, 1, tmp_path)
    assert len(scored) == 1


def test_test_patients_are_refused(scored, tiny_patients, tmp_path):
    with pytest.raises(UserError, match="on validation alone"):
        tune(experiment(), SETTINGS, tiny_patients, 0, 2, tmp_path)


def test_an_experiment_without_a_space_is_refused(scored, blind, tmp_path):
    with pytest.raises(UserError, match="names no search space"):
        tune(experiment(tune={}), SETTINGS, blind, 0, 2, tmp_path)


def test_a_trial_is_a_real_training(blind, tmp_path):
    found = tune(experiment(tune={"lr": {"low": 1e-4, "high": 1e-2, "log": True}}), SETTINGS, blind, 0, 2, tmp_path)
    records = [read_json(path) for path in tmp_path.glob("trial-*/run.json")]
    assert len(records) == 2
    assert found["best"]["mcc"] == max(record["best"]["mcc"]["head"] for record in records)
