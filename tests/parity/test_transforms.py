"""Slices, crops, views and normalisation against the authors' code, with every switch on ``released``."""

import re

import numpy as np
import torch
from scipy.stats import ks_2samp

from mmdino.dataset import slices
from mmdino.methods.common.augment import normalise, resampling, separable
from mmdino.methods.common.network import evaluation_views
from mmdino.methods.common.views import View, _draw
from mmdino.methods.mm_dinov2.settings import Settings

from .fixtures import PAPERS_ORDER, each

MINIMUM = 500  # tumour voxels of a training slice


@each("slice_crop_transforms*.npz")
def test_slices_crops_and_scaling(path):
    data = np.load(path)
    cases = {found[0] for name in data.files if (found := re.match(r"v\d+(?=\.seg)", name))}
    assert cases
    for case in cases:
        labels = data[f"{case}.seg"]
        volume = np.stack([data[f"{case}.{name}"] for name in PAPERS_ORDER])
        for axis in [axis for axis in range(3) if f"{case}.ax{axis}.slice" in data]:
            theirs = {
                name: data[f"{case}.ax{axis}.{name}"] for name in ("slice", "crop", "com", "raw", "scaled", "segcrop")
            }
            counts = slices.tumour_voxels(labels, axis, "released")
            np.testing.assert_array_equal(np.flatnonzero(counts >= MINIMUM), data[f"{case}.ax{axis}.valid_random"])
            assert counts.argmax() == theirs["slice"]
            plane, images = (array.take(theirs["slice"], array.ndim - 3 + axis) for array in (labels, volume))
            if plane.any():
                np.testing.assert_allclose(np.argwhere(plane).mean(0), theirs["com"], atol=1e-4)
            size = theirs["raw"].shape[-1]
            start = slices.crop_start(plane, size, "released")
            np.testing.assert_array_equal(start, theirs["crop"][:, 0])
            np.testing.assert_array_equal(np.add(start, size), theirs["crop"][:, 1])
            raw = slices.crop(images, start, size)
            np.testing.assert_array_equal(raw, theirs["raw"])
            np.testing.assert_array_equal(slices.crop(plane, start, size), theirs["segcrop"])
            np.testing.assert_allclose(slices.scale(raw), theirs["scaled"], atol=1e-5, rtol=0)


@each("slice_crop_transforms*.npz")
def test_released_evaluation_transform(path):
    data = np.load(path)
    settings = Settings(eval_size=data["eval_out"].shape[-1], eval_transform="released")
    ours = evaluation_views(torch.from_numpy(data["eval_in"])[None], settings)[0]
    np.testing.assert_allclose(ours.numpy(), data["eval_out"], atol=1e-5, rtol=0)


@each("slice_crop_transforms*.npz")
def test_training_normalisation(path):
    data = np.load(path)
    ours = normalise(torch.from_numpy(data["norm_in"]))
    np.testing.assert_allclose(ours.numpy(), data["norm_out_train"], atol=1e-6, rtol=0)


@each("slice_crop_transforms*.npz")
def test_foreground_crops(path):
    data = np.load(path)
    image = torch.from_numpy(data["fgcrop.img"])  # the sequences, and the tumour as the last channel
    tumour = (image[-1] > 0).numpy().astype(np.uint8)
    rng = np.random.default_rng(0)
    for kind, scale in (("global", Settings().global_scale), ("local", Settings().local_scale)):
        (boxes,) = (data[name] for name in data.files if name.startswith(f"fgcrop.{kind}.boxes"))
        (theirs,) = (data[name] for name in data.files if name.startswith(f"fgcrop.{kind}.out"))
        top, last_row, left, last_column = torch.from_numpy(boxes).T
        height, width = last_row - top + 1, last_column - left + 1
        n, size, side = len(theirs), theirs.shape[-1], image.shape[-1]
        rows, columns = resampling(top[:n], height[:n], side, size), resampling(left[:n], width[:n], side, size)
        ours = separable(image[None, :-1].expand(n, -1, -1, -1), rows, columns)
        np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5, rtol=0)
        view = View(kind, size, scale, blur=0, crops="released")
        drawn = np.array([_draw(tumour, rng, view)[0] for _ in boxes])
        p_values = [ks_2samp(a, b).pvalue for a, b in zip(drawn.T, (top, left, height, width))]
        assert min(p_values) * len(p_values) > 0.01, p_values
