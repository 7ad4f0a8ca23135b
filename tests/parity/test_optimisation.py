"""Schedules and parameter groups against the authors' code."""

import json
import math
import re

import numpy as np
import pytest

from mmdino.methods.common.network import HeadedViT
from mmdino.methods.common.optimise import multipliers
from mmdino.methods.common.schedules import Cosine, Linear
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.models.head import ProjectionHead
from mmdino.models.vit import MultiModalViT, ViTShape

from .fixtures import each


def cosine_of(full):
    """Return the cosine schedule that a file's values tell of: its warm-up, where it starts, and where it would end."""
    steps, warmup = len(full), int(full.argmax()) + 1 if full[0] == 0 else 0
    last = 0.5 * (1 + math.cos(math.pi * (steps - 1 - warmup) / (steps - warmup)))
    start = float(full[warmup])
    return Cosine(start, float((full[-1] - start * last) / (1 - last)), steps, warmup)


@each("schedules*.npz")
def test_schedules(path):
    data = np.load(path)
    lr, temperature = cosine_of(data["lr_full"]), data["teacher_temp_full"]
    frozen = int(np.argmax((data["last_layer_lr_full"] > 0) & (np.arange(lr.steps) > 0)))
    schedules = {
        "lr": lr,
        "last_layer_lr": lambda step: 0.0 if step < frozen else lr(step),
        "wd": cosine_of(data["wd_full"]),
        "momentum": cosine_of(data["momentum_full"]),
        "teacher_temp": Linear(float(temperature[0]), float(temperature[-1]), len(temperature)),
    }
    if path.stem == "schedules":
        schedules = papers_schedules(Settings())
    for name, schedule in schedules.items():
        full = data[f"{name}_full"]
        np.testing.assert_allclose([schedule(step) for step in range(len(full))], full, atol=1e-9, rtol=0)
        np.testing.assert_allclose([schedule(int(step)) for step in data["iters"]], data[name], atol=1e-9, rtol=0)


def papers_schedules(s):
    lr = Cosine(s.lr, s.lr_end, s.steps, s.warmup_steps)
    return {
        "lr": lr,
        "last_layer_lr": lambda step: 0.0 if step < s.freeze_last_layer_steps else lr(step),
        "wd": Cosine(s.weight_decay, s.weight_decay_end, s.steps),
        "momentum": Cosine(s.ema, s.ema_end, s.steps),
        "teacher_temp": Linear(s.teacher_temperature, s.teacher_temperature_end, s.teacher_temperature_steps),
    }


@each("param_groups_*.json")
def test_multipliers_of_every_parameter(path):
    parameters, s = json.loads(path.read_text()), Settings()
    depth = 1 + max(int(found[1]) for p in parameters if (found := re.search(r"blocks\.(\d+)\.", p["name"])))
    for parameter in parameters:
        rate, decay = multipliers(parameter["name"], depth, s.layer_decay, s.patch_embed_lr)
        assert rate == pytest.approx(parameter["lr_multiplier"], abs=1e-9), parameter["name"]
        assert decay == parameter["wd_multiplier"], parameter["name"]
        assert ("last_layer" in parameter["name"]) == parameter["is_last_layer"]
    names = {p["name"].replace("dino_head.", "head.").replace("ibot_head.", "patch_head.") for p in parameters}
    shape = ViTShape(
        dim=16,
        depth=depth,
        heads=1,
        grid=2,
        modality_embedding="backbone.mri_seq_embed.weight" in names,
        registers=4 if "backbone.register_tokens" in names else 0,
        ffn="swiglu" if "backbone.blocks.0.mlp.w12.weight" in names else "mlp",
    )
    heads = [
        ProjectionHead(16, 3, 16, 8) for kind in ("head.", "patch_head.") if any(n.startswith(kind) for n in names)
    ]
    ours = {name for name, _ in HeadedViT(MultiModalViT(shape), *(heads or [None])).named_parameters()}
    assert names == ours
