import json

import numpy as np
import pytest
import torch

from mmdino.files import file_digest
from mmdino.models.vit import MultiModalViT, ViTShape
from mmdino.models.weights import STARTER, build_backbone
from mmdino.starter import train
from mmdino.starter.objective import draw_kept, encode_kept
from mmdino.starter.planes import render_planes
from mmdino.tables import SEQUENCES


def test_encoding_all_tokens_is_the_networks_forward():
    torch.manual_seed(0)
    vit = MultiModalViT(ViTShape(dim=32, depth=2, heads=2, stem="conv", layer_scale=1.0)).eval()
    views = torch.rand(2, 4, 28, 28)
    with torch.no_grad():
        kept = encode_kept(vit, views, torch.arange(16).expand(2, -1))
        whole = vit(views, SEQUENCES)
    torch.testing.assert_close(kept.cls, whole.cls, atol=1e-5, rtol=0)
    torch.testing.assert_close(kept.patches, whole.patches, atol=1e-5, rtol=0)


def test_at_most_two_sequences_are_hidden_whole():
    kept = draw_kept(torch.Generator().manual_seed(0), 200, 49, 98)
    assert all(len(set(row.tolist())) == 98 for row in kept)
    shown = torch.stack([((kept // 49) == i).any(1) for i in range(4)], dim=1).sum(1)
    assert shown.min() == 2
    assert shown.max() == 4


def test_its_patients_are_made_again_alike():
    first, again = render_planes(3), render_planes(3)
    np.testing.assert_array_equal(first[0], again[0])
    assert first[0].shape == (3, 4, 96, 96)


def test_a_resumed_training_ends_in_the_same_network(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "judge", lambda vit: {"mcc_cls": 0.0, "mcc_patch": 0.0})
    short, whole = train.Recipe(patients=16, batch=4, marks=(2,)), train.Recipe(patients=16, batch=4, marks=(2, 4))
    train.train_starter(tmp_path / "a", tmp_path / "a.safetensors", short)
    train.train_starter(tmp_path / "a", tmp_path / "a.safetensors", whole)
    train.train_starter(tmp_path / "b", tmp_path / "b.safetensors", whole)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert [row["steps"] for row in json.loads((tmp_path / "a" / "growth.json").read_text())] == [0, 2, 5]


def test_a_training_that_was_killed_goes_on_from_its_last_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "judge", lambda vit: {"mcc_cls": 0.0, "mcc_patch": 0.0})
    monkeypatch.setattr(train, "SAVE_EVERY", 2)
    recipe = train.Recipe(patients=16, batch=4, marks=(5,))
    train.train_starter(tmp_path / "whole", tmp_path / "whole.safetensors", recipe)
    step = train.Training._step

    def killed(self, number, lr):
        if number == 4:
            raise KeyboardInterrupt
        return step(self, number, lr)

    monkeypatch.setattr(train.Training, "_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train.train_starter(tmp_path / "cut", tmp_path / "cut.safetensors", recipe)
    done = []
    monkeypatch.setattr(train.Training, "_step", lambda self, number, lr: done.append(number) or step(self, number, lr))
    train.train_starter(tmp_path / "cut", tmp_path / "cut.safetensors", recipe)
    assert done == [4, 5]
    assert (tmp_path / "cut.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()


def test_the_starter_that_we_carry_is_the_one_of_its_card():
    assert STARTER.stat().st_size < 8_000_000
    assert file_digest(STARTER) in STARTER.with_suffix(".md").read_text()
    vit = build_backbone("starter", ViTShape(), seed=0)
    assert (vit.shape.dim, vit.shape.stem) == (128, "conv")
