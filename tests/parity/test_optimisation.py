"""Schedules and parameter groups against the authors' code."""

import json

import numpy as np
import pytest

from mmdino.methods.common.optimise import multipliers
from mmdino.methods.common.schedules import Cosine, Linear
from mmdino.methods.mm_dinov2.settings import Settings

from .fixtures import fixture_files

SCHEDULES = fixture_files("schedules*.npz")
GROUPS = fixture_files("param_groups_*.json")


@pytest.mark.parametrize("path", SCHEDULES, ids=lambda path: path.stem)
def test_default_schedules_are_the_papers(path):
    data, s = np.load(path), Settings()
    lr = Cosine(s.lr, s.lr_end, s.steps, s.warmup_steps)
    ours = {
        "lr": lr,
        "last_layer_lr": lambda step: 0.0 if step < s.freeze_last_layer_steps else lr(step),
        "wd": Cosine(s.weight_decay, s.weight_decay_end, s.steps),
        "momentum": Cosine(s.ema, s.ema_end, s.steps),
        "teacher_temp": Linear(s.teacher_temperature, s.teacher_temperature_end, s.teacher_temperature_steps),
    }
    for name, schedule in ours.items():
        full = data[f"{name}_full"]
        np.testing.assert_allclose([schedule(step) for step in range(len(full))], full, atol=1e-9, rtol=0)
        np.testing.assert_allclose([schedule(int(step)) for step in data["iters"]], data[name], atol=1e-9, rtol=0)


@pytest.mark.parametrize("path", GROUPS, ids=lambda path: path.stem)
def test_multipliers_of_every_parameter(path):
    parameters, s = json.loads(path.read_text()), Settings()
    depth = 1 + max(int(p["name"].split(".")[2]) for p in parameters if ".blocks." in p["name"])
    for parameter in parameters:
        rate, decay = multipliers(parameter["name"], depth, s.layer_decay, s.patch_embed_lr)
        assert rate == pytest.approx(parameter["lr_multiplier"], abs=1e-15), parameter["name"]
        assert decay == parameter["wd_multiplier"], parameter["name"]
        assert ("last_layer" in parameter["name"]) == parameter["is_last_layer"]
