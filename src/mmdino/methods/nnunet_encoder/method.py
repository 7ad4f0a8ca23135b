"""The stages of a trained nnU-Net's encoder, each pooled over the crop, for evaluation's regression."""

import numpy as np
import torch
from torch import Tensor, nn

from mmdino.dataset.bank import Slices
from mmdino.errors import UserError
from mmdino.methods.base import Run, Untrained, restore
from mmdino.methods.nnunet_encoder.settings import Settings
from mmdino.models.nnunet import NNUNet, model_folder
from mmdino.tables import SEQUENCES

CHUNK = 64  # patients at once


class NNUNetFeatures:
    """The encoder; a sequence that is absent or not shown is zero, as it is in segmentation.

    Args:
        encoder: images (N, C, H, W) to feature maps by stage.
        order: the sequence of each channel.
        stride: by which H and W must be divisible.
        settings: which stages are read, and how they are pooled.
    """

    def __init__(self, encoder: nn.Module, order: list[str], stride: int, settings: Settings):
        self.network, self.order, self.stride, self.settings = encoder.eval(), order, stride, settings
        self._last: tuple[Slices, Tensor] | None = None

    @torch.no_grad()
    def features(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return ``cls``: (N, D) float32, each stage's channels pooled over the crop, the deepest last."""
        shown = (slices.present & np.isin(SEQUENCES, sequences))[:, [SEQUENCES.index(name) for name in self.order]]
        images = self._images(slices) * torch.from_numpy(shown)[:, :, None, None]
        device = next(self.network.parameters()).device
        parts = [
            torch.cat([self._pooled(stage) for stage in self.network(chunk.to(device))[-self.settings.deepest :]], 1)
            for chunk in images.split(CHUNK)
        ]
        return {"cls": torch.cat(parts).float().cpu().numpy()}

    def probabilities(self, slices: Slices, sequences: tuple[str, ...]) -> None:
        """Return None: a segmentation network says nothing of classes."""
        return None

    def _pooled(self, stage: Tensor) -> Tensor:
        """Return (N, C), or (N, 2 C) where both kinds are asked for."""
        kinds = {"mean": stage.mean((2, 3)), "max": stage.amax((2, 3))}
        return kinds[self.settings.pooling] if self.settings.pooling in kinds else torch.cat(list(kinds.values()), 1)

    def _images(self, slices: Slices) -> Tensor:
        """Return crops as nnU-Net's reader and z-score would give them: planes are (y, x), background is 0."""
        if self._last is None or self._last[0] is not slices:
            crops = torch.from_numpy(slices.images)[:, [SEQUENCES.index(name) for name in self.order]].transpose(2, 3)
            inside = crops > 0
            count = inside.sum((2, 3), keepdim=True).clamp_min(1)
            mean = (crops * inside).sum((2, 3), keepdim=True) / count
            spread = ((crops - mean).square() * inside).sum((2, 3), keepdim=True).div(count).sqrt().clamp_min(1e-8)
            side = -(-crops.shape[-1] // self.stride) * self.stride - crops.shape[-1]
            self._last = (slices, nn.functional.pad((crops - mean) / spread * inside, (0, side, 0, side)))
        return self._last[1]


class NNUNetEncoder(Untrained):
    """Nothing to train."""

    def __init__(self, run: Run):
        self.model, self.settings = _model(run.settings), run.settings
        self.network = self.model.network.encoder.requires_grad_(False)

    def encoder(self) -> NNUNetFeatures:
        """Return the network's encoder."""
        return _features(self.model, self.settings)

    def exported(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return the encoder's weights; nnU-Net knows each by two names, and the file keeps none that are shared."""
        return {name: value.clone() for name, value in self.network.state_dict().items()}, {}


def _model(settings: Settings) -> NNUNet:
    model = NNUNet(model_folder(settings.model))
    if len(model.configuration.patch_size) != 2:
        raise UserError(f"{model.folder}: is a 3-D configuration, and patients are looked at in planes; give a 2-D one")
    model.sequences()  # refuses channels that are no sequences of ours
    return model


def _features(model: NNUNet, settings: Settings) -> NNUNetFeatures:
    stride = int(np.prod([np.max(stage) for stage in model.configuration.pool_op_kernel_sizes]))
    return NNUNetFeatures(model.network.encoder, model.sequences(), stride, settings)


def build(run: Run) -> NNUNetEncoder:
    """Return the encoder of the model folder.

    Raises:
        UserError: the folder is no trained 2-D nnU-Net model of these sequences.
    """
    return NNUNetEncoder(run)


def load(run: Run) -> NNUNetFeatures:
    """Return the encoder that :func:`build` saved.

    Raises:
        UserError: as :func:`build`, or the run's file is missing or of another model.
    """
    model = _model(run.settings)
    restore(model.network.encoder, run, f"encoder of {run.settings.model}")
    return _features(model, run.settings)
