"""The network against arrays computed with the authors' released code."""

import re

import numpy as np
import torch

from mmdino.models import from_reference
from mmdino.models.embedding import interpolate_positions

from .fixtures import each, heads_of, sequences_of


@each("vit_*.npz")
def test_every_token_of_every_mask_matches(path):
    data = np.load(path)
    state = {name[3:]: torch.from_numpy(data[name]) for name in data.files if name.startswith("sd.")}
    images = {name[1:]: torch.from_numpy(data[name]) for name in data.files if re.fullmatch(r"x\d+", name)}
    sequences = sequences_of(path, data, next(iter(images.values())).shape[1])
    imgwise, embedding = "imgwise0" not in path.stem, "seqemb0" not in path.stem

    def build(heads):
        return from_reference(state, sequences, imgwise, embedding, heads).eval()

    def error(heads):
        size, unmasked = next((size, data[f"cls{size}.none"]) for size in images if f"cls{size}.none" in data)
        return np.abs(build(heads)(images[size], sequences).cls.numpy() - unmasked).max()

    with torch.no_grad():
        model = build(heads_of(data, state["cls_token"].shape[-1], error))
    ours = {}
    for name in data.files:
        found = re.fullmatch(r"cls(\d+)\.(\w+)", name)
        if not found:
            continue
        size, kind = found.groups()
        patches = (int(size) // model.shape.patch) ** 2
        used = sequences[: data[f"patch{size}.{kind}"].shape[1] // patches]  # "first2ch" gives only some
        given = images[size][:, : len(used)]
        masks = torch.from_numpy(data[f"mask{size}.{kind}"]) if f"mask{size}.{kind}" in data else None
        if masks is not None and masks.shape[1] == patches:
            masks = masks.repeat(1, len(used))
        with torch.no_grad():
            out = model(given, used, masks)
            tokens = model.embed(given, used, masks)
        np.testing.assert_allclose(out.cls.numpy(), data[name], atol=1e-5, rtol=0)
        np.testing.assert_allclose(out.patches.numpy(), data[f"patch{size}.{kind}"], atol=1e-5, rtol=0)
        if f"tokens_in{size}.{kind}" in data:
            np.testing.assert_allclose(tokens.numpy(), data[f"tokens_in{size}.{kind}"], atol=1e-5, rtol=0)
        ours.setdefault(f"cls{size}", []).append(out.cls.numpy())
        ours.setdefault(f"patch{size}", []).append(out.patches.numpy())
    assert ours
    for name in [name for name in data.files if name.startswith("nested.")]:  # both sizes together change neither
        same_shape = [value for value in ours[name.removeprefix("nested.")] if value.shape == data[name].shape]
        assert min(np.abs(value - data[name]).max() for value in same_shape) <= 1e-5, name


@each("pos_interp*.npz")
def test_positions_are_interpolated_by_scale_factor(path):
    data = np.load(path)
    positions = torch.from_numpy(data["pos_embed"])
    compared = 0
    for name in data.files:
        if name.startswith("out_"):
            theirs = data[name].reshape(-1, positions.shape[-1])[1:]
            height, width = (int(part) for part in name.removeprefix("out_").split("x"))
            patch = round((height * width / len(theirs)) ** 0.5)
            ours = interpolate_positions(positions, height // patch, width // patch)[0]
            np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5, rtol=0)
            compared += 1
    assert compared
