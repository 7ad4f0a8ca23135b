import numpy as np
import pytest
import torch

from mmdino.errors import UserError
from mmdino.nifti import Volume, write_volume
from mmdino.preprocess.segment import Model
from mmdino.preprocess.train_segmenter import train_segmenter
from mmdino.tables import SEQUENCES


def write_case(folder, subject, seed):
    """A small brain whose tumour is bright in all sequences."""
    rng = np.random.default_rng(seed)
    radius = np.linalg.norm(np.indices((40, 44, 24)).T - rng.uniform(10, 14, 3), axis=-1).T
    labels = np.select([radius < 3, radius < 5, radius < 8], [1, 3, 2]).astype(np.uint8)
    for name in SEQUENCES:
        image = rng.normal(100, 5, labels.shape) + 40 * labels
        image[:3] = image[-3:] = 0
        write_volume(image.astype(np.float32), np.eye(4), folder / subject / f"{subject}_{name}.nii.gz")
    write_volume(labels, np.eye(4), folder / subject / f"{subject}_seg.nii.gz")


def test_too_few_cases_are_refused(tmp_path):
    write_case(tmp_path / "cases", "a", 0)
    with pytest.raises(UserError, match="holds 1 patients, and at least 5 are needed"):
        train_segmenter(tmp_path / "cases", tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.study
def test_training_leaves_a_model_that_predicts_and_nothing_else(tmp_path):
    for number in range(5):
        write_case(tmp_path / "cases", f"case-{number}", number)
    train_segmenter(tmp_path / "cases", tmp_path / "models" / "new", iterations=3)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["new"]
    weights = tmp_path / "models" / "new" / "fold_0" / "checkpoint_final.pth"
    assert weights.stat().st_size < 3e6
    kept = torch.load(weights, weights_only=True)
    assert kept["trainer_name"] == "nnUNetTrainer"
    model = Model(tmp_path / "models" / "new")
    assert model.sequences() == list(SEQUENCES)
    scan = Volume(np.random.default_rng(1).normal(100, 5, (40, 44, 24)).astype(np.float32), np.eye(4))
    labels = model.predict_arrays([scan.array] * 4, scan)
    assert labels.shape == scan.array.shape
    assert labels.max() <= 3
