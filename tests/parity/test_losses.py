"""Losses and the projection head against the authors' code."""

import re

import numpy as np
import pytest
import torch

from mmdino.methods.mm_dinov2 import losses
from mmdino.methods.mm_dinov2.losses import Centring
from mmdino.models.head import ProjectionHead

from .fixtures import fixture_files

LOSSES = fixture_files("losses*.npz")
SUPERVISED = fixture_files("semi_supervised*.npz")
STUDENT, TEACHER, LATER, SMOOTHING = 0.1, 0.05, 0.06, 0.1  # temperatures with which the fixtures were made


def arrays(path):
    data = np.load(path)
    return {name: torch.from_numpy(data[name]) for name in data.files}


def close(ours, theirs):
    np.testing.assert_allclose(ours.detach().numpy(), theirs.numpy(), atol=1e-6, rtol=1e-6)


def kinds(data, pattern):
    found = sorted({found[0] for name in data if (found := re.match(pattern, name))})
    assert found
    return found


@pytest.mark.parametrize("path", LOSSES, ids=lambda path: path.stem)
def test_dino_targets_centre_and_losses(path):
    data = arrays(path)
    for kind in kinds(data, r"dino\d+"):
        get = {name.split(".")[1]: value for name, value in data.items() if name.startswith(f"{kind}.")}
        centring = Centring(get["t1"].shape[-1])
        close(centring(get["t1"], TEACHER).view_as(get["p1"]), get["p1"])
        close(centring.centre, get["c1"][0])
        close(centring(get["t2"], LATER).view_as(get["p2"]), get["p2"])
        close(losses.dino_loss(get["s"], get["p2"], STUDENT), get["local"])
        # their global loss is given the teacher's views swapped already, and averages where ours sums
        close(losses.dino_loss(get["s"][:2], get["p2"].flip(0), STUDENT, swapped=True) / 2, get["glob"])


@pytest.mark.parametrize("path", LOSSES, ids=lambda path: path.stem)
def test_ibot_targets_centre_and_loss(path):
    data = arrays(path)
    for kind in kinds(data, r"ibot\d+"):
        get = {name.split(".")[1]: value for name, value in data.items() if name.startswith(f"{kind}.")}
        centring = Centring(get["t"].shape[-1])
        close(centring(get["t"], TEACHER), get["q1"])
        close(centring.centre, get["center"].flatten())
        target = centring(get["t"], TEACHER)
        close(target, get["q2"])
        student = get["s"][: len(target)]  # the rest is padding
        close(losses.ibot_loss(student, target, get["weight"], len(get["mask"]), STUDENT), get["loss"])


@pytest.mark.parametrize("path", LOSSES, ids=lambda path: path.stem)
def test_koleo(path):
    data = arrays(path)
    for name in [name for name in data if re.fullmatch(r"koleo\.(\w+_)?x", name)]:
        close(losses.koleo_loss(data[name]), data[name[:-1] + "loss"])


@pytest.mark.parametrize("path", LOSSES, ids=lambda path: path.stem)
def test_projection_head(path):
    data = arrays(path)
    state = {name.removeprefix("head.sd."): value for name, value in data.items() if name.startswith("head.sd.")}
    hidden, dim = state["mlp.0.weight"].shape
    prototypes, bottleneck = state["last_layer.weight_v"].shape
    head = ProjectionHead(dim, prototypes, hidden, bottleneck)
    head.load_state_dict(state)
    close(head(data["head.x"]), data["head.y"])


@pytest.mark.parametrize("path", SUPERVISED, ids=lambda path: path.stem)
def test_supervised_term_with_the_batchs_weights(path):
    data = arrays(path)
    for case in kinds(data, r"\w+(?=\.labels)"):
        labels, local = data[f"{case}.labels"], data[f"{case}.local"].requires_grad_()
        weight = losses.class_weights(labels, local.shape[-1])
        close(weight, data[f"{case}.weight"])
        loss = losses.supervised_loss([local, data[f"{case}.global"]], labels, weight, STUDENT, SMOOTHING)
        close(loss, data[f"{case}.loss"])
        loss.backward()
        close(local.grad, data[f"{case}.grad_local"])
