"""Other people's names for our parameters: DINOv2's and its successors' files, timm's networks, MRI-pretrained ViTs."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

WRAPPERS = ("teacher", "model", "state_dict")  # under which training code stores the network
PREFIXES = ("module.", "backbone.", "encoder.")
NO_PART = re.compile(r"(dino_head|ibot_head|head|patch_head|fc_norm|decoder|decoder_\w+|rope_embed)\b|.*\.bias_mask$")
GRID = 37  # side of the position grid
RENAMED = ("reg_token", "register_tokens"), ("storage_tokens", "register_tokens")


def translate(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return a checkpoint's tensors under DINOv2's names, in its shapes.

    Understood are wrapped and prefixed files (``teacher``, ``backbone.``), block chunks (``blocks.0.3.`` is block 3),
    SwiGLU as ``w1``, ``w2``, ``w3`` (timm: ``fc1``, ``fc2``), registers under other names, a patch projection with one
    channel, positions without one for CLS, blocks without LayerScale, and DINOv3 (whose rotary positions are lost: they
    begin at zero). Heads and decoders are left out.
    """
    for wrapper in WRAPPERS:
        if isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    named = {_name(name): value for name, value in state.items() if isinstance(value, Tensor)}
    rotary = any(name.startswith("rope_embed") for name in named)
    named = {name: value for name, value in named.items() if not NO_PART.match(name)}
    if rotary and "cls_token" in named:  # DINOv3 turns queries and keys instead; ours learns positions from zero
        named["pos_embed"] = torch.zeros(1, 1 + GRID**2, named["cls_token"].shape[-1])
    _pack_gates(named)
    _fit_embeddings(named)
    _fill_layer_scale(named)
    return named


def _name(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    name = re.sub(r"^blocks\.\d+\.(\d+)\.", r"blocks.\1.", name)
    for theirs, ours in RENAMED:
        if name == theirs:
            return ours
    return name


def _pack_gates(state: dict[str, Tensor]) -> None:
    """Write SwiGLU's gate and value as one matrix ``w12``."""
    for name in [name for name in state if ".mlp.w1." in name]:
        value = state.pop(name.replace(".w1.", ".w2."))
        state[name.replace(".w1.", ".w12.")] = torch.cat([state.pop(name), value])
    for name in [name for name in state if name.endswith(".mlp.fc2.weight")]:
        block = name.removesuffix("fc2.weight")
        if state[f"{block}fc1.weight"].shape[0] == 2 * state[name].shape[1]:
            for kind in ("weight", "bias"):
                state[f"{block}w12.{kind}"] = state.pop(f"{block}fc1.{kind}")
                state[f"{block}w3.{kind}"] = state.pop(f"{block}fc2.{kind}")


def _fit_embeddings(state: dict[str, Tensor]) -> None:
    projection, positions = state.get("patch_embed.proj.weight"), state.get("pos_embed")
    if projection is not None and projection.ndim == 4 and projection.shape[1] == 1:
        state["patch_embed.proj.weight"] = projection.expand(-1, 3, -1, -1) / 3  # grey ×3 through it is what it was
    if positions is not None and positions.ndim == 3 and round(positions.shape[1] ** 0.5) ** 2 == positions.shape[1]:
        state["pos_embed"] = torch.cat([torch.zeros_like(positions[:, :1]), positions], dim=1)
    if state.get("mask_token") is not None:
        state["mask_token"] = state["mask_token"].reshape(1, -1)


def _fill_layer_scale(state: dict[str, Tensor]) -> None:
    """Give blocks without LayerScale one that changes nothing."""
    for name in [name for name in state if re.fullmatch(r"blocks\.\d+\.norm\d\.weight", name)]:
        scale = re.sub(r"norm(\d)\.weight", r"ls\1.gamma", name)
        state.setdefault(scale, torch.ones_like(state[name]))
