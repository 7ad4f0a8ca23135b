from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from factories import tiny_study
from mmdino.config import Data
from mmdino.dataset.patients import Patients
from mmdino.errors import UserError
from mmdino.evaluation import predict as module
from mmdino.evaluation.looking import look
from mmdino.evaluation.predict import predict
from mmdino.evaluation.predictions import read_predictions
from mmdino.evaluation.subsets import ALL, SUBSETS
from mmdino.methods.base import Run
from mmdino.tables import CLASSES, PREDICTIONS, SEQUENCES, write_table


class Pixels:
    """Mean, spread and core brightness of each sequence it may see; what it may not see is 0."""

    def __init__(self):
        self.asked: list[tuple[int, tuple[str, ...]]] = []

    def features(self, slices, sequences):
        self.asked.append((len(slices), sequences))
        seen = np.isin(SEQUENCES, sequences)
        assert slices.present[:, seen].all(), "asked about a sequence that the patient lacks"
        inside = slices.images * slices.tumour[:, None]
        area = slices.tumour.sum(axis=(1, 2))[:, None]
        mean = inside.sum(axis=(2, 3)) / area
        spread = np.sqrt((inside**2).sum(axis=(2, 3)) / area)
        return {
            "cls": (np.c_[mean * seen, spread * seen]).astype(np.float32),
            "patch": (spread * seen).astype(np.float32),
        }

    def probabilities(self, slices, sequences):
        return np.tile(np.float32([0.2, 0.5, 0.3]), (len(slices), 1))


class Silent(Pixels):
    def probabilities(self, slices, sequences):
        return None


class Broken(Pixels):
    def features(self, slices, sequences):
        return {name: values * np.nan for name, values in super().features(slices, sequences).items()}


class Crowded(Pixels):
    """Has memory for a few patients at once; ``most`` of them."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def features(self, slices, sequences):
        if len(slices) > self.most:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return super().features(slices, sequences)


FEW = tuple(names for names in SUBSETS if names in (SEQUENCES, ("t1", "t1c", "t2"), ("t2",), ("flair",)))


@pytest.fixture(scope="module")
def frame(tiny_patients):
    with pytest.MonkeyPatch.context() as patch:
        return asked(patch, Pixels(), tiny_patients, subsets=SUBSETS)


def asked(monkeypatch, encoder, patients, protocols=("refit", "transfer"), subsets=FEW):
    monkeypatch.setattr(module, "SUBSETS", subsets)
    monkeypatch.setattr(module, "method", lambda name: SimpleNamespace(load=lambda run: encoder))
    return predict(Run(None, 0, Path("runs/pixels/seed-0"), patients), "pixels", protocols, progress=False)


def test_patients_whom_memory_does_not_hold_at_once_are_asked_by_halves(frame, tiny_patients, monkeypatch, capsys):
    pd.testing.assert_frame_equal(asked(monkeypatch, Crowded(5), tiny_patients, subsets=SUBSETS), frame)
    assert "memory does not hold" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"does not hold one patient .*; ask for more of it"):
        asked(monkeypatch, Crowded(0), tiny_patients)


def test_every_patient_under_every_set_protocol_and_readout(frame, tiny_patients, tmp_path):
    people = tiny_patients.select("val") + tiny_patients.select("test")
    assert set(frame["subject"]) == set(people)
    assert len(frame) == len(people) * 15 * 5
    assert set(frame.loc[frame["readout"] == "head", "protocol"]) == {"transfer"}
    write_table(PREDICTIONS, frame, tmp_path / "predictions.parquet")
    back = read_predictions(tmp_path / "predictions.parquet")
    assert len(back.attrs["regressions"]) == 15 * 4


def test_learns_what_t1c_shows_and_nothing_without_it(frame):
    test = frame[(frame["split"] == "test") & (frame["readout"] == "cls")]
    right = test[[f"p_{name}" for name in CLASSES]].to_numpy().argmax(axis=1) == test["label"].map(CLASSES.index)
    accuracy = right.groupby([test["sequences"], test["protocol"]]).mean()
    assert accuracy[ALL, "refit"] > 0.8
    assert accuracy["t1c", "refit"] > 0.8
    assert accuracy["t1+t2+flair", "transfer"] < 0.7


def test_with_all_four_both_protocols_are_equal(frame):
    whole = frame[(frame["sequences"] == ALL) & (frame["readout"] == "cls")].set_index("subject")
    columns = [f"p_{name}" for name in CLASSES]
    refit, transfer = (whole.loc[whole["protocol"] == name, columns] for name in ("refit", "transfer"))
    assert refit.equals(transfer)


def test_one_protocol_and_no_head(monkeypatch, tiny_patients):
    frame = asked(monkeypatch, Silent(), tiny_patients, protocols=("refit",))
    assert set(frame["protocol"]) == {"refit"}
    assert set(frame["readout"]) == {"cls", "patch"}


def test_test_labels_change_nothing_but_the_label_column(monkeypatch, tiny_patients):
    before = asked(monkeypatch, Pixels(), tiny_patients)
    splits = tiny_patients.splits.reset_index(drop=True)
    splits.loc[splits["split"] == "test", "label"] = "glioblastoma"
    after = asked(monkeypatch, Pixels(), Patients(tiny_patients.bank, splits))
    assert before.drop(columns="label").equals(after.drop(columns="label"))
    assert not before["label"].equals(after["label"])


def test_a_patient_without_flair_is_shown_without_it(monkeypatch, tmp_path):
    patients = tiny_study(tmp_path)
    lacking = patients.select("test")[0]
    flair = SEQUENCES.index("flair")
    patients.bank._present[patients.bank.evaluation_row(lacking), flair] = False
    frame = asked(monkeypatch, Pixels(), patients).set_index(["subject", "sequences", "protocol", "readout"])
    columns = [f"p_{name}" for name in CLASSES]
    with_all, without = (frame.loc[(lacking, names, "transfer", "cls"), columns] for names in (ALL, "t1+t1c+t2"))
    assert with_all.tolist() == without.tolist()
    train = patients.targets(patients.select("train", labelled=True))
    shares = np.bincount(train, minlength=3) / len(train)
    for readout in ("cls", "patch", "head"):
        np.testing.assert_allclose(frame.loc[(lacking, "flair", "transfer", readout), columns].astype(float), shares)


def test_a_sequence_that_no_training_patient_has(monkeypatch, tmp_path):
    patients = tiny_study(tmp_path)
    rows = [patients.bank.evaluation_row(subject) for subject in patients.select("train")]
    patients.bank._present[rows, SEQUENCES.index("t2")] = False
    frame = asked(monkeypatch, Pixels(), patients)
    notes = {(n["sequences"], n["protocol"]): n for n in frame.attrs["regressions"]}
    assert notes["t2", "refit"]["C"] is None
    assert notes["t2", "transfer"]["C"] is not None
    assert len(frame) == len(frame["subject"].unique()) * len(FEW) * 5


def test_nan_features_are_refused(monkeypatch, tiny_patients):
    with pytest.raises(UserError, match=r"'cls' under .* is NaN or infinite"):
        asked(monkeypatch, Broken(), tiny_patients)


def test_nobody_to_predict_is_said(monkeypatch, tiny_patients):
    splits = tiny_patients.splits.reset_index(drop=True)
    with pytest.raises(UserError, match="no validation or test patient"):
        asked(monkeypatch, Pixels(), Patients(tiny_patients.bank, splits[splits["split"] == "train"]))


def test_a_network_predicts_where_it_is_placed(monkeypatch, tiny_patients):
    class Networked(Pixels):
        network = torch.nn.Linear(1, 1)

    monkeypatch.setattr(module, "best_device", lambda: torch.device("meta"))
    asked(monkeypatch, Networked(), tiny_patients)
    assert Networked.network.weight.device.type == "meta"


def test_who_has_fewer_slices_than_asked_is_judged_by_their_mean(tmp_path):
    whole = tiny_study(tmp_path, patients=24)
    subjects = whole.select("val")
    number = {len(whole.bank.training_rows(name, 2)) for name in subjects}.pop()

    def seen(slices):
        patients = Patients(whole.bank, whole.splits.reset_index(drop=True), Data(slices=slices))
        answers = look(Pixels(), patients, subjects, (SEQUENCES,), with_head=False, title="", progress=False)
        return dict(zip(subjects, answers[SEQUENCES].values["cls"]))

    has, asked_for_more = seen(number), seen(number + 2)
    assert not np.allclose(has[subjects[0]], seen(1)[subjects[0]])
    for name in subjects:
        np.testing.assert_allclose(asked_for_more[name], has[name], rtol=1e-6)


def test_all_sets_are_asked_of_one_slice_before_the_next(tiny_patients):
    embedded: list[object] = []  # what an encoder keeps until it is shown another one

    class Keeping(Pixels):
        def features(self, slices, sequences):
            if not embedded or embedded[-1] is not slices:
                embedded.append(slices)
            return super().features(slices, sequences)

    patients = Patients(tiny_patients.bank, tiny_patients.splits.reset_index(drop=True), Data(slices=3))
    look(Keeping(), patients, patients.select("val"), SUBSETS, with_head=False, title="", progress=False)
    assert len(embedded) == 3
