"""Evaluation and normalisation of a crop against the authors' code (``eval_transform: released``)."""

import numpy as np
import pytest
import torch

from mmdino.methods.common.augment import normalise
from mmdino.methods.common.network import evaluation_views
from mmdino.methods.mm_dinov2.settings import Settings

from .fixtures import fixture_files

TRANSFORMS = fixture_files("slice_crop_transforms*.npz")


@pytest.mark.parametrize("path", TRANSFORMS, ids=lambda path: path.stem)
def test_released_evaluation_transform(path):
    data = np.load(path)
    settings = Settings(eval_size=data["eval_out"].shape[-1], eval_transform="released")
    ours = evaluation_views(torch.from_numpy(data["eval_in"])[None], settings)[0]
    np.testing.assert_allclose(ours.numpy(), data["eval_out"], atol=1e-5, rtol=0)


@pytest.mark.parametrize("path", TRANSFORMS, ids=lambda path: path.stem)
def test_training_normalisation(path):
    data = np.load(path)
    ours = normalise(torch.from_numpy(data["norm_in"]))
    np.testing.assert_allclose(ours.numpy(), data["norm_out_train"], atol=1e-6, rtol=0)
