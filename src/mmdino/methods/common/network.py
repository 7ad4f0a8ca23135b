"""A ViT with a head on its CLS token: what is trained, saved, read back, and asked about patients."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from mmdino.dataset.bank import Slices
from mmdino.errors import UserError
from mmdino.methods.common.augment import Draws, normalise, render
from mmdino.methods.common.settings import ViTSettings
from mmdino.models.vit import MultiModalViT, Tokens, ViTShape
from mmdino.models.weights import build_backbone
from mmdino.tables import CLASSES, SEQUENCES


class HeadedViT(nn.Module):
    """A multi-modal ViT and its head (None: it has no output of its own)."""

    def __init__(self, backbone: MultiModalViT, head: nn.Module | None):
        super().__init__()
        self.backbone = backbone
        self.head = head

    def scores(self, tokens: Tensor) -> Tensor:
        """Return the head's scores (…, K) of tokens (…, D)."""
        assert self.head is not None
        return self.head(tokens)


def starting_backbone(settings: ViTSettings, seed: int, drop_path: float = 0.0) -> MultiModalViT:
    """Return the backbone that ``settings`` name, with its starting weights."""
    shape = ViTShape(
        dim=settings.dim,
        depth=settings.depth,
        heads=settings.heads,
        patch=settings.patch,
        grid=settings.grid,
        stem=settings.stem,
        imgwise=settings.positions == "per-sequence",
        modality_embedding=settings.modality_embedding,
        layer_scale=settings.layer_scale,
        drop_path=drop_path,
    )
    return build_backbone(settings.backbone, shape, seed)


def exported(network: HeadedViT) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors and metadata of ``model.safetensors``; :func:`read_backbone` is the way back."""
    return network.state_dict(), {"shape": json.dumps(dataclasses.asdict(network.backbone.shape))}


def read_backbone(path: Path) -> tuple[MultiModalViT, dict[str, Tensor]]:
    """Return an untrained backbone of the shape that ``path`` records, and the file's tensors.

    Raises:
        UserError: the file is missing or none of ours.
    """
    try:
        with safe_open(path, "pt") as opened:
            shape = ViTShape(**json.loads((opened.metadata() or {})["shape"]))
        return MultiModalViT(shape), safetensors.torch.load_file(path)
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise UserError(f"{path}: is no trained network of ours ({error}); run `mmdino train` again") from None


class ViTEncoder:
    """A network, ready to be asked about patients that have, or are shown, only some sequences.

    A sequence that a patient lacks or that is not shown is replaced by mask tokens, as in the paper. A patient left
    without any sequence gets the features of the empty head: the mean over its mask tokens.
    """

    def __init__(self, network: HeadedViT, settings: ViTSettings, temperature: float = 1.0, chunk: int = 32):
        self.network, self.settings, self.temperature, self.chunk = network, settings, temperature, chunk
        self._last: tuple[Slices, tuple[str, ...], dict[str, np.ndarray]] | None = None

    def features(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return ``cls`` and ``patch`` (mean of the shown patch tokens), each (N, D) float32."""
        outputs = self._outputs(slices, sequences)
        return {name: outputs[name] for name in ("cls", "patch")}

    def probabilities(self, slices: Slices, sequences: tuple[str, ...]) -> np.ndarray | None:
        """Return the head's class probabilities (N, 3), or None without a head."""
        return self._outputs(slices, sequences).get("head")

    @torch.no_grad()
    def _outputs(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        if self._last is not None and self._last[0] is slices and self._last[1] == tuple(sequences):
            return self._last[2]  # asked for features, then for probabilities of the same patients
        training = self.network.training
        self.network.eval()
        parts = [
            self._chunk(slices, sequences, range(start, min(start + self.chunk, len(slices))))
            for start in range(0, len(slices), self.chunk)
        ]
        self.network.train(training)
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        self._last = (slices, tuple(sequences), outputs)
        return outputs

    def _chunk(self, slices: Slices, sequences: tuple[str, ...], rows: range) -> dict[str, np.ndarray]:
        device = self.network.backbone.cls_token.device
        order = self.settings.sequences
        index = [SEQUENCES.index(name) for name in order]
        images = evaluation_views(torch.from_numpy(slices.images[rows][:, index]), self.settings)
        shown = torch.from_numpy(slices.present[rows][:, index]) & torch.tensor([name in sequences for name in order])
        tokens: Tokens = self.network.backbone(
            images.to(device), order, token_masks(~shown, images, self.settings).to(device)
        )
        weight = shown.to(device).float()
        weight = torch.where(weight.sum(1, keepdim=True) > 0, weight, 1.0)
        by_sequence = tokens.patches.unflatten(1, (len(order), -1)).mean(2)
        outputs = {"cls": tokens.cls, "patch": (by_sequence * weight[..., None]).sum(1) / weight.sum(1, keepdim=True)}
        if self.network.head is not None:
            scores = self.network.scores(tokens.cls)[:, : len(CLASSES)] / self.temperature
            outputs["head"] = scores.softmax(-1)
        return {name: value.float().cpu().numpy() for name, value in outputs.items()}


def token_masks(hidden: Tensor, images: Tensor, settings: ViTSettings) -> Tensor:
    """Return (B, S·N) token masks of whole hidden sequences (B, S) for images (B, S, H, W)."""
    return hidden.repeat_interleave((images.shape[-1] // settings.patch) ** 2, dim=1)


def evaluation_views(images: Tensor, settings: ViTSettings) -> Tensor:
    """Return whole crops (N, S, H, H) as the network sees them at evaluation: as in training, unaltered.

    ``eval_transform: released`` resizes without clamping, stretches each sequence from its minimum to its maximum, and
    divides by .225, so that its background lies at −1.5…−1.8 where training's is 0.
    """
    source, size = images.shape[-1], settings.eval_size
    if settings.eval_transform == "mended":
        return render(images, Draws.whole(len(images), source), size)
    views = F.interpolate(images, size=(size, size), mode="bicubic", antialias=True)
    low, high = views.amin((2, 3), keepdim=True), views.amax((2, 3), keepdim=True)
    return normalise((views - low) / (high - low).clamp_min(1e-8), std=0.225)
