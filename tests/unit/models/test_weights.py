import re
from dataclasses import replace

import pytest
import safetensors.torch
import timm
import torch

from mmdino.errors import UserError
from mmdino.models.embedding import interpolate_positions
from mmdino.models.vit import MultiModalViT, ViTShape
from mmdino.models.weights import build_backbone, from_reference, write_backbone

SHAPE = ViTShape(dim=32, depth=2, heads=2, grid=4)
VARIANTS = {
    "plain": SHAPE,
    "registers": replace(SHAPE, registers=4),
    "swiglu": replace(SHAPE, ffn="swiglu"),
    "both": replace(SHAPE, registers=4, ffn="swiglu"),
}


def official(shape, seed=1):
    """Return a network as DINOv2's authors publish theirs: without what is ours."""
    torch.manual_seed(seed)
    model = MultiModalViT(shape)
    return model, {name: value for name, value in model.state_dict().items() if not name.startswith("mri_")}


def saved(state, path):
    torch.save(state, path)
    return str(path)


def same_weights(model, state):
    ours = model.state_dict()
    for name, value in state.items():
        torch.testing.assert_close(ours[name], value, msg=name)


@pytest.mark.parametrize("shape", VARIANTS.values(), ids=VARIANTS)
def test_an_official_file_is_loaded_and_computes(tmp_path, shape):
    _, state = official(shape)
    model = build_backbone(saved(state, tmp_path / "dinov2.pth"), shape, 0).eval()
    same_weights(model, state)
    out = model(torch.randn(2, 2, 42, 28), ("t1", "flair"))
    assert out.cls.shape == (2, 32)
    assert out.patches.shape == (2, 2 * 3 * 2, 32)


@pytest.mark.parametrize("shape", VARIANTS.values(), ids=VARIANTS)
def test_the_reference_builder_reads_the_shape_from_the_tensors(shape):
    model, _ = official(shape)
    built = from_reference(model.state_dict(), heads=2)
    assert replace(built.shape, layer_scale=shape.layer_scale) == shape
    same_weights(built, model.state_dict())


def chunked(state):
    """Name blocks as a training with two chunks does: blocks.0.0, blocks.1.1."""
    return {re.sub(r"^blocks\.(\d+)\.", r"blocks.\1.\1.", name): value for name, value in state.items()}


def wrapped(state):
    return {"teacher": {f"backbone.{name}": value for name, value in state.items()} | {"dino_head.mlp.0.weight": 0}}


def unpacked(state):
    parts = {}
    for name, value in state.items():
        if ".w12." in name:
            parts[name.replace("w12", "w1")], parts[name.replace("w12", "w2")] = value.chunk(2)
        else:
            parts[name] = value
    return parts


def from_timm(state):
    renamed = {
        name.replace("register_tokens", "reg_token").replace("w12", "fc1").replace("w3", "fc2"): value
        for name, value in state.items()
        if name != "mask_token"
    }
    return {**renamed, "pos_embed": state["pos_embed"][:, 1:]}


@pytest.mark.parametrize("change", [chunked, wrapped, unpacked, from_timm])
def test_other_peoples_names_are_understood(tmp_path, change):
    _, state = official(VARIANTS["both"])
    state["pos_embed"][:, 0] = 0  # timm adds CLS's position to the CLS token
    model = build_backbone(saved(change(state), tmp_path / "theirs.pth"), VARIANTS["both"], 0)
    same_weights(model, {name: value for name, value in state.items() if name != "mask_token"})


@pytest.mark.parametrize("name", ["vit_small_patch14_dinov2", "vit_small_patch14_reg4_dinov2"])
def test_timms_dinov2_computes_the_same(name):
    network = timm.create_model(name, pretrained=False, num_classes=0, depth=2, img_size=98).eval()
    model = from_reference(network.state_dict() | {"mask_token": torch.zeros(1, 384)}, modality_embedding=False)
    images = torch.randn(1, 1, 98, 98, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        theirs = network.forward_features(images.expand(-1, 3, -1, -1))
        ours = model.eval()(images, ("t1",))
    torch.testing.assert_close(ours.cls, theirs[:, 0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(ours.patches, theirs[:, -49:], atol=1e-5, rtol=1e-4)


NAME = "vit_small_patch14_dinov2.lvd142m"
SMALL = ViTShape(dim=384, depth=12, heads=6)


def hub_cache(folder):
    """Write ViT-S as timm names it into a cache laid out as the hub's client does; return its tensors."""
    state = {name: value.half() for name, value in timm.create_model(NAME, num_classes=0).state_dict().items()}
    repository = folder / f"models--timm--{NAME}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    (repository / "snapshots" / ("0" * 40)).mkdir(parents=True)
    safetensors.torch.save_file(state, repository / "snapshots" / ("0" * 40) / "model.safetensors")
    return state


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Neither a network nor anything in the caches of the hub and of torch hub, which lie in ``tmp_path``."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


def test_a_timm_name_is_loaded_from_the_hubs_cache(offline):
    state = hub_cache(offline / "hub")
    loaded = build_backbone(NAME, SMALL, 0)
    torch.testing.assert_close(loaded.blocks[11].mlp.fc2.weight, state["blocks.11.mlp.fc2.weight"].float())
    torch.testing.assert_close(loaded.pos_embed, state["pos_embed"].float())


def test_a_timm_name_is_loaded_from_the_official_file_in_torch_hubs_cache(offline):
    _, state = official(SMALL)
    checkpoints = offline / "torch" / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    saved(state, checkpoints / "dinov2_vits14_pretrain.pth")
    same_weights(build_backbone(NAME, SMALL, 0), state)


@pytest.mark.parametrize("name", [NAME, "vit_smal_patch14_dinov2"])
def test_a_name_that_is_nowhere_is_refused_in_a_sentence(offline, name):
    with pytest.raises(UserError, match=f"backbone '{name}': .* give their path$") as error:
        build_backbone(name, SMALL, 0)
    assert len(str(error.value).splitlines()) == 1


def test_an_mri_backbone_with_one_channel_and_no_layer_scale_sees_the_same(tmp_path):
    model, state = official(SHAPE)
    grey = {name: value for name, value in state.items() if ".ls" not in name}
    grey["patch_embed.proj.weight"] = state["patch_embed.proj.weight"].sum(1, keepdim=True)
    loaded = build_backbone(saved({"model": grey}, tmp_path / "mae.pth"), SHAPE, 0)
    images = torch.randn(2, 1, 28, 28)
    torch.testing.assert_close(loaded.project(images), model.project(images), atol=1e-5, rtol=1e-5)
    assert (loaded.blocks[0].ls1.gamma == 1).all()


def test_dinov3_is_taken_as_far_as_it_fits(tmp_path):
    shape = replace(SHAPE, patch=16, registers=4, grid=37)
    _, state = official(shape)
    theirs = {name.replace("register_tokens", "storage_tokens"): value for name, value in state.items()}
    del theirs["pos_embed"]
    theirs |= {"rope_embed.periods": torch.ones(4), "blocks.0.attn.qkv.bias_mask": torch.ones(96)}
    loaded = build_backbone(saved(theirs, tmp_path / "dinov3.pth"), shape, 0)
    assert not loaded.pos_embed.any()
    same_weights(loaded, {name: value for name, value in state.items() if name != "pos_embed"})


def test_a_run_of_ours_starts_another(tmp_path):
    model, _ = official(VARIANTS["registers"])
    state = {f"backbone.{name}": value for name, value in model.state_dict().items()} | {
        "head.weight": torch.ones(3, 32)
    }
    write_backbone(model, tmp_path / "ours.safetensors")
    with safetensors.safe_open(tmp_path / "ours.safetensors", "pt") as opened:
        shape = opened.metadata()
    safetensors.torch.save_file(state, tmp_path / "run.safetensors", shape)
    loaded = build_backbone(str(tmp_path / "run.safetensors"), SHAPE, 0)  # its shape comes with it
    same_weights(loaded, model.state_dict())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("norm.bias"), r"missing \['norm.bias'\]"),
        (lambda state: state.pop("pos_embed"), r"missing \['pos_embed'\]"),
        (lambda state: state.update(extra=torch.ones(1)), r"unexpected \['extra'\]"),
        (lambda state: state.update(cls_token=torch.ones(1, 1, 8)), r"cls_token is \(1, 1, 8\), must be \(1, 1, 32\)"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused(tmp_path, change, said):
    _, state = official(SHAPE)
    change(state)
    with pytest.raises(UserError, match=said):
        build_backbone(saved(state, tmp_path / "wrong.pth"), SHAPE, 0)


def test_a_file_that_is_none_and_a_pickle_are_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such file"):
        build_backbone(str(tmp_path / "no.pth"), SHAPE, 0)
    torch.save(object(), tmp_path / "evil.pth")
    with pytest.raises(UserError, match="no readable checkpoint of plain tensors"):
        build_backbone(str(tmp_path / "evil.pth"), SHAPE, 0)


def test_positions_with_registers_are_antialiased():
    positions = torch.randn(1, 17, 8, generator=torch.Generator().manual_seed(0))
    smooth = interpolate_positions(positions, 2, 2, antialias=True)
    assert smooth.std() < interpolate_positions(positions, 2, 2).std()
