"""Where a backbone's weights come from; a file that does not fit is refused with what is wrong."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from mmdino.errors import UserError, first_line
from mmdino.files import atomic
from mmdino.models.names import translate
from mmdino.models.vit import MultiModalViT, ViTShape
from mmdino.tables import SEQUENCES

ASSETS = Path(str(files("mmdino"))) / "assets"
STARTER = ASSETS / "starter.safetensors"
CARRIED = {
    "starter": STARTER,
    **{path.stem: path for path in sorted((ASSETS / "starter-growth").glob("*.safetensors"))},
}
OURS = (
    "mri_seq_embed.weight",
    "mask_token",
)  # what a foreign checkpoint may lack: it starts as in a new network, random and zeros


def build_backbone(backbone: str, shape: ViTShape, seed: int) -> MultiModalViT:
    """Return the network with its starting weights.

    Args:
        backbone: ``random``; ``starter`` (the one that the project carries; ``starter-1200`` and ``starter-5000`` are
            its shorter trainings, by steps); the path of a DINOv2 checkpoint
            (``.pth``, ``.safetensors``), of a ViT that fits (DINOv3, MRI-pretrained; see :mod:`.names`), of a starter or
            run of your own; or a timm name (``vit_base_patch14_dinov2.lvd142m``).
        shape: the network; a file of ours brings its own size, and takes only the embedding switches and drop-path from here.
        seed: for whatever is random.

    Raises:
        UserError: the file is missing, or its tensors are missing, unexpected or misshapen.
    """
    if backbone == "random":
        return _seeded(shape, seed)
    path = CARRIED.get(backbone, Path(backbone))
    if path.suffix in (".safetensors", ".pth", ".pt"):
        state, written = read_state(path)
        if written is not None:
            kept = ("imgwise", "modality_embedding", "drop_path")
            shape = dataclasses.replace(written, **{name: getattr(shape, name) for name in kept})
        source = str(path)
    else:
        state, source = _from_timm(backbone), f"timm's {backbone}"
    model = _seeded(shape, seed)
    load_checked(model, state, source, may_lack=OURS)
    return model


def read_state(path: Path) -> tuple[dict[str, Tensor], ViTShape | None]:
    """Read a checkpoint's tensors (float32) and, from a file of ours, the shape of its network."""
    if not path.exists():
        raise UserError(
            f"{path}: there is no such file; give a DINOv2 checkpoint by path (dinov2_vitb14_pretrain.pth from the DINOv2 "
            "authors' page), or `backbone: starter`"
        )
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt") as opened:
                metadata = opened.metadata() or {}
            state = safetensors.torch.load_file(path)
            shape = ViTShape(**json.loads(metadata["shape"])) if "shape" in metadata else None
        else:
            state, shape = torch.load(path, map_location="cpu", weights_only=True), None
    except Exception as error:
        raise UserError(f"{path}: is no readable checkpoint of plain tensors ({error}); fetch it again") from None
    return {name: value.float() for name, value in translate(state).items()}, shape


def write_backbone(model: MultiModalViT, path: Path, dtype: torch.dtype = torch.float32, **card: str) -> None:
    """Write a network with its shape, so that :func:`build_backbone` can read it back by path."""
    state = {name: value.detach().to(dtype).contiguous() for name, value in model.state_dict().items()}
    with atomic(path) as temporary:
        safetensors.torch.save_file(state, temporary, {"shape": json.dumps(dataclasses.asdict(model.shape)), **card})


def load_checked(model: MultiModalViT, state: Mapping[str, Tensor], source: str, may_lack: Sequence[str] = ()) -> None:
    """Load ``state`` into ``model``, all of it or nothing.

    Raises:
        UserError: naming the missing, unexpected and misshapen tensors.
    """
    wanted = model.state_dict()
    given = {name: value for name, value in state.items() if name in wanted or name not in OURS}
    missing = [name for name in wanted if name not in given and name not in may_lack]
    unexpected = [name for name in given if name not in wanted]
    misshapen = [
        f"{name} is {tuple(given[name].shape)}, must be {tuple(wanted[name].shape)}"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    if missing or unexpected or misshapen:
        raise UserError(
            f"{source}: does not fit the network: missing {missing[:5] or 'nothing'}, unexpected {unexpected[:5] or 'nothing'}, "
            f"misshapen {misshapen[:3] or 'nothing'}; set dim, depth, heads and patch to the checkpoint's"
        )
    model.load_state_dict({**wanted, **given})


def from_reference(
    state_dict: Mapping[str, Tensor],
    sequences: Sequence[str] = ("t2", "t1", "t1c", "flair"),
    imgwise: bool = True,
    modality_embedding: bool = True,
    heads: int | None = None,
) -> MultiModalViT:
    """Build the network from the authors' state dict; its size is read from the tensors.

    Args:
        state_dict: tensors under the names of their code (those of DINOv2, and ``mri_seq_embed.weight``).
        sequences: the order in which their configuration lists the sequences; checked only, since ours go by name.
        imgwise: positions per sequence.
        modality_embedding: whether their run used it.
        heads: attention heads; None: 64 channels a head as in DINOv2, 16 a head in networks narrower than 192.

    Raises:
        UserError: a sequence is unknown or a tensor does not fit.
    """
    unknown = set(sequences) - set(SEQUENCES)
    if unknown:
        raise UserError(f"unknown sequences {sorted(unknown)}; known are {', '.join(SEQUENCES)}")
    state_dict = translate(state_dict)
    dim, _, patch, _ = state_dict["patch_embed.proj.weight"].shape
    shape = ViTShape(
        dim=dim,
        depth=1 + max(int(name.split(".")[1]) for name in state_dict if name.startswith("blocks.")),
        heads=heads or max(1, dim // (64 if dim >= 192 else 16)),
        patch=patch,
        grid=math.isqrt(state_dict["pos_embed"].shape[1] - 1),
        imgwise=imgwise,
        modality_embedding=modality_embedding,
        registers=state_dict["register_tokens"].shape[1] if "register_tokens" in state_dict else 0,
        ffn="swiglu" if "blocks.0.mlp.w12.weight" in state_dict else "mlp",
    )
    model = MultiModalViT(shape)
    load_checked(model, state_dict, "the given state dict")
    return model


def _seeded(shape: ViTShape, seed: int) -> MultiModalViT:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MultiModalViT(shape)


def _from_timm(name: str) -> dict[str, Tensor]:
    """Return timm's weights of a DINOv2 network: from torch hub's cache, else timm's, else the net."""
    import timm

    official = _in_torch_hub(name)
    if official is not None:
        return read_state(official)[0]
    try:
        network = timm.create_model(name, pretrained=True, num_classes=0)
    except Exception as error:
        raise UserError(
            f"backbone '{name}': is neither a file nor a network that timm can load here ({first_line(error)}); "
            "where there is no network, fetch the weights on a connected machine and give their path"
        ) from None
    return translate(network.state_dict())


def _in_torch_hub(name: str) -> Path | None:
    """Return the file that DINOv2's authors publish of timm's network ``name``, where torch hub has fetched it before."""
    from timm.models import get_pretrained_cfg

    published = get_pretrained_cfg(name)
    address = str(published.url) if published is not None else ""
    if not address.endswith(".pth"):
        return None
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(address).name
    return path if path.exists() else None
