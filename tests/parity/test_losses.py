"""Losses and the projection head against the authors' code."""

import re

import numpy as np
import torch

from mmdino.methods.common.optimise import batch_class_weights
from mmdino.methods.mm_dinov2 import losses
from mmdino.methods.mm_dinov2.losses import Centring
from mmdino.models.head import ProjectionHead

from .fixtures import each

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


@each("losses*.npz")
def test_dino_targets_centre_and_losses(path):
    data = arrays(path)
    for kind in kinds(data, r"dino\d+"):
        get = {name.split(".")[1]: value for name, value in data.items() if name.startswith(f"{kind}.")}
        centring = Centring(get["t1"].shape[-1])
        centring.centre.copy_(get["c0"][0])
        close(centring(get["t1"], TEACHER).view_as(get["p1"]), get["p1"])
        close(centring.centre, get["c1"][0])
        close(centring(get["t2"], LATER).view_as(get["p2"]), get["p2"])
        close(losses.dino_loss(get["s"], get["p2"], STUDENT), get["local"])
        # their global loss is given the teacher's views swapped already, and averages where ours sums
        close(losses.dino_loss(get["s"][:2], get["p2"].flip(0), STUDENT, swapped=True) / 2, get["glob"])


@each("losses*.npz")
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


@each("losses*.npz")
def test_koleo(path):
    data = arrays(path)
    for name in [name for name in data if re.fullmatch(r"koleo\.(\w+_)?x", name)]:
        close(losses.koleo_loss(data[name]), data[name[:-1] + "loss"])


@each("losses*.npz")
def test_projection_head(path):
    data = arrays(path)
    state = {name.removeprefix("head.sd."): value for name, value in data.items() if name.startswith("head.sd.")}
    hidden, dim = state["mlp.0.weight"].shape
    prototypes, bottleneck = state["last_layer.weight_v"].shape
    head = ProjectionHead(dim, prototypes, hidden, bottleneck)
    head.load_state_dict(state)
    close(head(data["head.x"]), data["head.y"])


@each("semi_supervised*.npz")
def test_supervised_term(path):
    data = arrays(path)
    for case in kinds(data, r"\w+(?=\.labels)"):
        labels, local, weight = data[f"{case}.labels"], data[f"{case}.local"].requires_grad_(), data[f"{case}.weight"]
        close(batch_class_weights(labels, len(weight)), weight)
        loss = losses.supervised_loss([local, data[f"{case}.global"]], labels, weight, STUDENT, SMOOTHING)
        close(loss, data[f"{case}.loss"])
        loss.backward()
        close(local.grad, data[f"{case}.grad_local"])
        close((labels >= 0).float().mean(), data[f"{case}.ratio"])
