import json
import pickle
import re

import numpy as np
import pytest
import torch

from mmdino.errors import UserError
from mmdino.models.nnunet import CARRIED
from mmdino.nifti import Volume
from mmdino.preprocess import segment as segmenting
from mmdino.preprocess.segment import Model, harmonise_labels, load_model, segment


@pytest.mark.parametrize(
    ("given", "wanted"),
    [([0, 1, 2, 4], [0, 1, 2, 3]), ([0, 1, 2, 3], [0, 1, 2, 3]), ([0, 1], [0, 1]), ([0, 2, 4], [0, 2, 3])],
)
def test_labels_are_brought_to_one_convention(given, wanted):
    np.testing.assert_array_equal(harmonise_labels(np.array(given), "seg.nii.gz"), wanted)


@pytest.mark.parametrize("given", [[0, 5], [0, 3, 4], [0, 255]])
def test_other_labels_are_refused(given):
    with pytest.raises(UserError, match=r"seg\.nii\.gz: labels .* recode them"):
        harmonise_labels(np.array(given), "seg.nii.gz")


@pytest.mark.parametrize(
    ("labels", "order", "predicted"),  # where the core, the oedema and the enhancing tumour are
    [
        (json.loads((CARRIED / "dataset.json").read_text())["labels"], None, [1, 2, 3]),
        (
            {"whole tumor": [1, 2, 3], "tumor core": [2, 3], "enhancing tumor": [3]},
            [1, 2, 3],
            [2, 1, 3],
        ),  # nnU-Net's own
        ({"edema": 1, "non-enhancing tumor": 2, "enhancing tumour": 3}, None, [2, 1, 3]),  # the Decathlon's
        ({"NCR": 1, "SNFH": 2, "ET": 3}, None, [1, 2, 3]),
        ({"Surrounding non-enhancing FLAIR hyperintensity": 1, "ET": 2, "NETC": 3, "ignore": 4}, None, [3, 1, 2]),
        ({"WT": [1, 2, 3], "TC": [1, 3], "ET": 3}, [2, 1, 3], [1, 2, 3]),
    ],
)
def test_what_a_model_finds_is_known_by_its_labels_names(monkeypatch, labels, order, predicted):
    labels = {"background": 0} | labels
    assert segment_by(monkeypatch, {"labels": labels, "regions_class_order": order}, [0, *predicted]) == [0, 1, 2, 3]


def test_a_model_of_one_label_finds_tumour_alone(monkeypatch):
    assert segment_by(monkeypatch, {"labels": {"background": 0, "lesion": 1}}, [0, 1]) == [0, 1]


def test_a_model_whose_labels_nobody_knows_is_refused(monkeypatch):
    with pytest.raises(UserError, match=r"dataset\.json: label 'label 2' is none of core, oedema.*; rename it"):
        segment_by(monkeypatch, {"labels": {"background": 0, "core": 1, "label 2": 2}}, [0, 1, 2])


def segment_by(monkeypatch, dataset, predicted):
    """Return what a model of that dataset.json, which predicts these values in a row, is taken to have found."""

    class Stub:
        def __init__(self):
            self.dataset = dataset

        def sequences(self):
            return ["t1"]

        def predict_arrays(self, channels, like):
            return np.array(predicted, np.uint8).reshape(-1, 1, 1)

    monkeypatch.setattr(segmenting, "load_model", lambda folder: Stub())
    scan = Volume(np.ones((len(predicted), 1, 1), np.float32), np.eye(4))
    return segment({"t1": scan}, "data/segmenter").array.ravel().tolist()


def test_the_carried_model_is_small_and_plain():
    checkpoint = CARRIED / "fold_0" / "checkpoint_final.pth"
    assert checkpoint.stat().st_size < 3e6
    torch.load(checkpoint, weights_only=True)
    assert load_model(CARRIED).sequences() == ["t1", "t1c", "t2", "flair"]


def copy_with(folder, checkpoint=None, dataset=None):
    """Copy the carried model with another checkpoint or dataset.json."""
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text((CARRIED / "plans.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(dataset) if dataset else (CARRIED / "dataset.json").read_text())
    path = folder / "fold_0" / "checkpoint_final.pth"
    if checkpoint is None:
        path.write_bytes((CARRIED / "fold_0" / "checkpoint_final.pth").read_bytes())
    else:
        path.write_bytes(checkpoint)
    return folder


@pytest.mark.parametrize("missing", ["dataset.json", "plans.json", "fold_0/checkpoint_final.pth"])
def test_a_folder_that_is_no_trained_model_is_told_so(tmp_path, missing):
    (copy_with(tmp_path / "model") / missing).unlink()
    said = f"holds no {missing.replace('_0', '_*')}; give a trained nnU-Net v2 model folder"
    with pytest.raises(UserError, match=re.escape(said)):
        Model(tmp_path / "model")


class Attack:
    def __reduce__(self):
        return (pytest.fail, ("the checkpoint ran code",))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    with pytest.raises(UserError, match="might run code"):
        Model(copy_with(tmp_path / "model", pickle.dumps(Attack(), protocol=2)))
    torch.save({"network_weights": {}, "trainer_name": Attack(), "init_args": {}}, tmp_path / "attack.pth")
    with pytest.raises(UserError, match="might run code"):
        Model(copy_with(tmp_path / "other", (tmp_path / "attack.pth").read_bytes()))


def test_a_checkpoint_as_nnunet_writes_it_is_taken(tmp_path):
    checkpoint = torch.load(CARRIED / "fold_0" / "checkpoint_final.pth", weights_only=True)
    log = {"mean_fg_dice": [np.float64(0.9)], "train_losses": [np.float32(-0.5)], "epochs": np.int64(3)}
    torch.save(checkpoint | {"logging": log, "_best_ema": np.float64(0.9)}, tmp_path / "full.pth")
    model = Model(copy_with(tmp_path / "model", (tmp_path / "full.pth").read_bytes()))
    assert model.sequences() == ["t1", "t1c", "t2", "flair"]


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"holds no dataset\.json"):
        Model(tmp_path)
    folder = copy_with(tmp_path / "model")
    (folder / "fold_0" / "checkpoint_final.pth").unlink()
    with pytest.raises(UserError, match="trained nnU-Net v2 model folder"):
        Model(folder)


def test_channels_are_found_by_name(tmp_path):
    dataset = json.loads((CARRIED / "dataset.json").read_text())
    dataset["channel_names"] = {"0": "T1n", "1": "T1ce", "2": "T2w", "3": "T2f"}
    assert Model(copy_with(tmp_path / "brats", dataset=dataset)).sequences() == ["t1", "t1c", "t2", "flair"]
    dataset["channel_names"]["3"] = "swi"
    with pytest.raises(UserError, match="'swi' is not"):
        Model(copy_with(tmp_path / "swi", dataset=dataset)).sequences()
