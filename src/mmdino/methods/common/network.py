"""A ViT with a head on its CLS token: what is trained, saved, read back, and asked about patients."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import safetensors
import torch
import torch.nn.functional as F
from safetensors import safe_open
from torch import Tensor, nn

from mmdino.dataset.bank import Slices
from mmdino.errors import UserError
from mmdino.methods.base import Run
from mmdino.methods.common.augment import Draws, normalise, render
from mmdino.methods.common.parts import in_parts
from mmdino.methods.common.settings import ViTSettings
from mmdino.models.layers import Attention
from mmdino.models.vit import MultiModalViT, Tokens, ViTShape
from mmdino.models.weights import build_backbone
from mmdino.tables import CLASSES, SEQUENCES

CHUNK = 32  # patients at once
KEPT = 256  # patients of whom the patch tokens are kept, since they may be asked about under fifteen sets of sequences


class HeadedViT(nn.Module):
    """A multi-modal ViT and its head (None: it has no output of its own); patch tokens may have a head of their own."""

    def __init__(self, backbone: MultiModalViT, head: nn.Module | None, patch_head: nn.Module | None = None):
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.patch_head = patch_head

    def scores(self, tokens: Tensor) -> Tensor:
        """Return the head's scores (…, K) of CLS tokens (…, D)."""
        assert self.head is not None
        return self.head(tokens)

    def patch_scores(self, tokens: Tensor) -> Tensor:
        """Return the scores (…, K) of patch tokens (…, D): by their own head, or by the one that they share."""
        return self.scores(tokens) if self.patch_head is None else self.patch_head(tokens)

    def look(
        self,
        images: Tensor,
        sequences: Sequence[str],
        masks: Tensor | None = None,
        patches: Tensor | None = None,
        parts: int = 1,
    ) -> Tokens:
        """Return the tokens of images, as the backbone does, of which ``parts`` pieces are looked at one by one."""

        def backbone(*piece: Tensor | None) -> tuple[Tensor, Tensor]:
            tokens = self.backbone(piece[0], sequences, *piece[1:])
            return tokens.cls, tokens.patches

        return Tokens(*in_parts(backbone, parts, images, masks, patches))


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
        registers=settings.registers,
        ffn=settings.ffn,
    )
    return _attending(build_backbone(settings.backbone, shape, seed), settings)


def _attending(backbone: MultiModalViT, settings: ViTSettings) -> MultiModalViT:
    """Return the backbone, its attention computed as ``settings`` ask."""
    for module in backbone.modules():
        if isinstance(module, Attention):
            module.fused = settings.attention == "fused"
    return backbone


def exported(network: HeadedViT) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return tensors and metadata of ``model.safetensors``; :func:`recorded_backbone` and ``restore`` are the way back."""
    return network.state_dict(), {"shape": json.dumps(dataclasses.asdict(network.backbone.shape))}


def recorded_backbone(run: Run) -> MultiModalViT:
    """Return an untrained backbone of the shape that a run's ``model.safetensors`` records; ``restore`` reads the tensors.

    Raises:
        UserError: the file is missing or none of ours.
    """
    path = run.folder / "model.safetensors"
    try:
        with safe_open(path, "pt") as opened:
            shape = ViTShape(**json.loads((opened.metadata() or {})["shape"]))
        return _attending(MultiModalViT(shape), run.settings)
    except (OSError, KeyError, TypeError, ValueError, safetensors.SafetensorError) as error:
        raise UserError(f"{path}: is no trained network of ours ({error}); run `mmdino train` again") from None


class ViTEncoder:
    """A network, ready to be asked about patients that have, or are shown, only some sequences.

    A sequence that a patient lacks or that is not shown is replaced by mask tokens (the paper's ``missing: mask``),
    or its tokens are left out (``drop``). A patient left without any sequence is all mask tokens.
    """

    def __init__(self, network: HeadedViT, settings: ViTSettings, temperature: float = 1.0):
        self.network, self.settings, self.temperature = network, settings, temperature
        self._last: tuple[Slices, tuple[str, ...], dict[str, np.ndarray]] | None = None
        self._kept: tuple[Slices, list[_Embedded]] | None = None

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
            (embedded.rows[rows], self._look(embedded, rows, shown))
            for embedded in self._embedded(slices)
            for shown, rows in self._alike(slices.present[embedded.rows], sequences)
        ]
        self.network.train(training)
        place = np.argsort(np.concatenate([rows for rows, _ in parts]))
        outputs = {name: np.concatenate([part[name] for _, part in parts])[place] for name in parts[0][1]}
        self._last = (slices, tuple(sequences), outputs)
        return outputs

    def _embedded(self, slices: Slices) -> Iterable["_Embedded"]:
        """Yield the patients in chunks, each patch embedded once, whatever is shown of it; a few patients are kept."""
        if self._kept is not None and self._kept[0] is slices:
            return self._kept[1]
        chunks = (
            self._embed(slices, rows) for rows in np.split(np.arange(len(slices)), range(CHUNK, len(slices), CHUNK))
        )
        if len(slices) > KEPT:
            return chunks
        self._kept = (slices, list(chunks))
        return self._kept[1]

    def _embed(self, slices: Slices, rows: np.ndarray) -> "_Embedded":
        images = slices.images[rows][:, [SEQUENCES.index(name) for name in self.settings.sequences]]
        views = evaluation_views(torch.from_numpy(images), self.settings).to(self.network.backbone.cls_token.device)
        return _Embedded(rows, views, self.network.backbone.project(views))

    def _alike(self, present: np.ndarray, sequences: tuple[str, ...]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield which of our sequences are shown (S,) bool, and the patients (rows of ``present``) of whom they are."""
        order = self.settings.sequences
        shown = present[:, [SEQUENCES.index(name) for name in order]] & np.isin(order, sequences)
        patterns, which = np.unique(shown, axis=0, return_inverse=True)
        for number, pattern in enumerate(patterns):
            yield pattern, np.flatnonzero(which.ravel() == number)

    def _look(self, embedded: "_Embedded", rows: np.ndarray, shown: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs for some patients of a chunk, of whom the sequences ``shown`` (S,) are shown."""
        given = np.flatnonzero(shown) if self.settings.missing == "drop" and shown.any() else np.arange(len(shown))
        views, patches = embedded.views[rows][:, given], embedded.patches[rows][:, given]
        visible = torch.from_numpy(shown[given]).to(views.device)
        masks = None if visible.all() else token_masks(~visible.expand(len(rows), -1), views, self.settings)
        order, released = self.settings.sequences, self.settings.fewer_sequences == "released"
        names = [order[number] for number in (range(len(given)) if released else given)]
        tokens = self.network.backbone(views, names, masks, patches, None if released else order)
        by_sequence = tokens.patches.unflatten(1, (len(given), -1))
        seen = by_sequence[:, visible] if visible.any() else by_sequence
        outputs = {"cls": tokens.cls, "patch": seen.mean((1, 2))}
        if self.network.head is not None:
            outputs["head"] = (self.network.scores(tokens.cls)[:, : len(CLASSES)] / self.temperature).softmax(-1)
        return {name: value.float().cpu().numpy() for name, value in outputs.items()}


@dataclasses.dataclass(frozen=True)
class _Embedded:
    """Some patients (rows) as the network looks at them: views (n, S, H, W) and bare patch tokens (n, S, N, D)."""

    rows: np.ndarray
    views: Tensor
    patches: Tensor


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
