"""The network against arrays computed with the authors' released code."""

import re

import numpy as np
import pytest
import torch

from mmdino.models.embedding import interpolate_positions
from mmdino.models.weights import from_reference

from .fixtures import fixture_files

VIT = fixture_files("vit_*.npz")
POSITIONS = fixture_files("pos_interp*.npz")


@pytest.mark.parametrize("path", VIT, ids=lambda path: path.stem)
def test_every_token_of_every_mask_matches(path):
    data = np.load(path)
    state = {name[3:]: torch.from_numpy(data[name]) for name in data.files if name.startswith("sd.")}
    sequences = tuple(str(name) for name in data["mri_sequences"])
    model = from_reference(
        state, sequences, imgwise="imgwise1" in path.stem, modality_embedding="seqemb1" in path.stem, heads=3
    ).eval()
    compared = 0
    for name in data.files:
        found = re.fullmatch(r"cls(\d+)\.(\w+)", name)
        if not found:
            continue
        size, kind = found.groups()
        images = torch.from_numpy(data[f"x{size}"])
        used = sequences[:2] if kind == "first2ch" else sequences
        masks = torch.from_numpy(data[f"mask{size}.{kind}"]) if f"mask{size}.{kind}" in data else None
        if kind == "patch_shared":
            masks = masks.repeat(1, len(used))
        with torch.no_grad():
            out = model(images[:, : len(used)], used, masks)
            tokens = model.embed(images[:, : len(used)], used, masks)
        np.testing.assert_allclose(out.cls.numpy(), data[name], atol=1e-5, rtol=0)
        np.testing.assert_allclose(out.patches.numpy(), data[f"patch{size}.{kind}"], atol=1e-5, rtol=0)
        if f"tokens_in{size}.{kind}" in data:
            np.testing.assert_allclose(tokens.numpy(), data[f"tokens_in{size}.{kind}"], atol=1e-5, rtol=0)
        compared += 1
    assert compared >= 2


@pytest.mark.parametrize("path", POSITIONS, ids=lambda path: path.stem)
def test_positions_are_interpolated_by_scale_factor(path):
    data = np.load(path)
    positions = torch.from_numpy(data["pos_embed"])
    for name in data.files:
        if name.startswith("out_"):
            rows, columns = (int(part) // 14 for part in name.removeprefix("out_").split("x"))
            ours = interpolate_positions(positions, rows, columns).detach().reshape(-1, positions.shape[-1])
            theirs = data[name].reshape(-1, positions.shape[-1])[-len(ours) :]
            np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5, rtol=0)
