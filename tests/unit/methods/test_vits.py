"""What the methods of a ViT do alike when a trained network is read back."""

import importlib

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mmdino.errors import UserError
from mmdino.methods.base import Run, method
from mmdino.models import layers
from mmdino.tables import SEQUENCES
from tiny import TINY, TINY_MM_DINOV2, TINY_TRAINING

METHODS = {"frozen-vit": TINY, "supervised-vit": TINY_TRAINING, "mm-dinov2": TINY_MM_DINOV2}


def written(name, patients, folder, **changes):
    """Write ``model.safetensors`` of a network at its start; return the run."""
    module = importlib.import_module(f"mmdino.methods.{name.replace('-', '_')}.settings")
    run = Run(module.Settings(**{**METHODS[name], **changes}), 0, folder, patients)
    tensors, metadata = method(name).build(run).exported()
    plain = {key: value.contiguous() for key, value in tensors.items()}
    save_file(plain, folder / "model.safetensors", metadata)
    return run


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("attention", ["fused", "plain"])
def test_a_network_is_asked_with_the_attention_that_it_was_trained_with(
    tiny_patients, tmp_path, monkeypatch, name, attention
):
    run, fused = written(name, tiny_patients, tmp_path, attention=attention), []
    usual = layers.F.scaled_dot_product_attention
    monkeypatch.setattr(layers.F, "scaled_dot_product_attention", lambda *given: fused.append(1) or usual(*given))
    slices = tiny_patients.evaluation_slices(tiny_patients.select("val"))
    method(name).load(run).features(slices, SEQUENCES)
    assert bool(fused) == (attention == "fused")


@pytest.mark.parametrize("positions", ["stacked", "per-sequence"])
def test_a_network_knows_which_sequence_it_is_left_with(tiny_patients, tmp_path, positions):
    """Of one tall image the place says it, where nothing else does; per sequence only the modality embedding would."""
    run = written("frozen-vit", tiny_patients, tmp_path, missing="drop", positions=positions, modality_embedding=False)
    slices = tiny_patients.evaluation_slices(tiny_patients.select("val"))
    slices.images[:] = slices.images[:, :1]  # one image in all sequences
    slices.present[:] = True
    encoder = method("frozen-vit").load(run)
    found = [encoder.features(slices, (name,))["cls"] for name in ("t1", "flair")]
    assert np.allclose(*found, atol=1e-6) == (positions == "per-sequence")


@pytest.mark.parametrize("name", METHODS)
def test_a_file_that_does_not_fit_is_refused_in_a_sentence(tiny_patients, tmp_path, name):
    run = written(name, tiny_patients, tmp_path)
    path = run.folder / "model.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1000])
    with pytest.raises(UserError, match=r"model\.safetensors: is no trained network of ours"):
        method(name).load(run)
    path.write_bytes(whole)
    with safe_open(path, "pt") as opened:
        metadata = opened.metadata()
    tensors = load_file(path)
    del tensors["backbone.norm.bias"]
    save_file(tensors, path, metadata)
    with pytest.raises(
        UserError, match=r"model\.safetensors: holds no .*backbone\.norm\.bias.*; run `mmdino train` again"
    ):
        method(name).load(run)
