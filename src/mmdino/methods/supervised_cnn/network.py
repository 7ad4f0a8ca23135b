"""The network: any body that gives features, a linear classifier, and what stands for a sequence that is not shown."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

from mmdino.dataset.bank import Slices
from mmdino.errors import UserError, nearest, one_line
from mmdino.methods.common.augment import Draws, render
from mmdino.methods.supervised_cnn.settings import CNNSettings, Settings
from mmdino.tables import CLASSES, SEQUENCES

CHUNK = 128  # planes at once


class SequenceCNN(nn.Module):
    """A body, and a linear layer on its features.

    Args:
        body: images (B, 4, …) to features (B, dim).
        dim: of the features.
        shape: of one sequence's image: (size, size), or with planes first.
        fill: zero, mean (set later) or token (learned).
    """

    absent: Tensor

    def __init__(self, body: nn.Module, dim: int, shape: tuple[int, ...], fill: str):
        super().__init__()
        self.body, self.head = body, nn.Linear(dim, len(CLASSES))
        absent = torch.zeros(len(SEQUENCES), *shape)
        if fill == "token":
            self.absent = nn.Parameter(absent)
        else:
            self.register_buffer("absent", absent)

    def features(self, images: Tensor, shown: Tensor) -> Tensor:
        """Return features (B, dim) of images (B, 4, …) of which the sequences ``shown`` (B, 4) are seen."""
        visible = shown.view(*shown.shape, *[1] * (images.ndim - 2))
        seen = torch.where(visible, images, self.absent.to(images.dtype))
        return self.body(_channels_last(seen))

    def forward(self, images: Tensor, shown: Tensor) -> Tensor:
        """Return scores (B, 3)."""
        return self.head(self.features(images, shown))


class PlanesAsChannels(nn.Module):
    """A network of planes that is given volumes (B, 4, planes, H, W), each plane of a sequence being a channel."""

    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, volumes: Tensor) -> Tensor:
        """Return what the network says of (B, 4 · planes, H, W)."""
        return self.body(_channels_last(volumes.flatten(1, 2)))


def new_network(settings: Settings, seed: int, trained: bool = True, planes: int | None = None) -> SequenceCNN:
    """Return the network at its start; equal seeds give equal weights, and torch's global stream is left alone.

    Args:
        settings: which network and weights.
        seed: of random weights.
        trained: whether to read ``settings.weights``; False where others are loaded over them anyway.
        planes: of the volumes that it is given; None: it is given single planes.

    Raises:
        UserError: timm does not know the network, or its weights are not at hand or do not fit.
    """
    if not timm.is_model(settings.network):
        hint = nearest(settings.network, timm.list_models())
        raise UserError(f"timm has no network '{settings.network}'{hint}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = _body(settings, trained and settings.weights != "random", len(SEQUENCES) * (planes or 1))
        plane = (settings.image_size, settings.image_size)
        dim = int(body.num_features)
        if planes is not None:
            return channels_last(SequenceCNN(PlanesAsChannels(body), dim, (planes, *plane), settings.fill))
        return channels_last(SequenceCNN(body, dim, plane, settings.fill))


def _body(settings: Settings, trained: bool, channels: int) -> Any:
    """Return timm's network without its classifier; timm itself spreads three input channels over ``channels``."""
    options: dict = {"in_chans": channels, "num_classes": 0, "drop_rate": settings.drop_rate}
    if not trained:
        return timm.create_model(settings.network, **options)
    if settings.weights != "imagenet":
        if not Path(settings.weights).exists():
            raise UserError(f"{settings.weights}: there is no such file; give a timm checkpoint of {settings.network}")
        options["pretrained_cfg_overlay"] = {"file": settings.weights}
    try:
        return timm.create_model(settings.network, pretrained=True, **options)
    except Exception as error:
        raise UserError(
            f"no weights '{settings.weights}' for {settings.network} ({one_line(error)[:200]}); where there is no "
            "internet, fetch them on a connected machine and give their path, or set `weights: random`"
        ) from None


def channels_last(network: SequenceCNN) -> SequenceCNN:
    """Return a network of planes with its kernels laid out as CPUs and tensor cores are fastest."""
    for parameter in network.body.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def _channels_last(images: Tensor) -> Tensor:
    """Return planes laid out as the kernels; volumes of few planes were twice as slow that way, and stay as they are."""
    return images.contiguous(memory_format=torch.channels_last) if images.ndim == 4 else images


class CNNEncoder:
    """A network, ready to be asked about patients; the views and the last answer are kept, since many sets are asked."""

    def __init__(self, network: SequenceCNN, settings: CNNSettings):
        self.network, self.settings = network, settings
        self._views: tuple[Slices, Tensor] | None = None
        self._last: tuple[Slices, tuple[str, ...], tuple[np.ndarray, np.ndarray]] | None = None

    def features(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return ``cls``: the pooled features before the classifier, (N, D) float32."""
        return {"cls": self._ask(slices, sequences)[0]}

    def probabilities(self, slices: Slices, sequences: tuple[str, ...]) -> np.ndarray:
        """Return the classifier's probabilities (N, 3)."""
        return self._ask(slices, sequences)[1]

    @torch.no_grad()
    def _ask(self, slices: Slices, sequences: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        if self._last is not None and self._last[0] is slices and self._last[1] == tuple(sequences):
            return self._last[2]
        training = self.network.training
        self.network.eval()
        device = next(self.network.parameters()).device
        shown = torch.from_numpy(slices.present & np.isin(SEQUENCES, sequences))
        chunk = max(1, CHUNK // prod(slices.images.shape[2:-2]))
        pooled = [
            self.network.features(views.to(device), seen.to(device))
            for views, seen in zip(self.views(slices).split(chunk), shown.split(chunk))
        ]
        scores = [self.network.head(values) for values in pooled]
        self.network.train(training)
        answer = torch.cat(pooled).cpu().numpy(), torch.cat(scores).softmax(-1).cpu().numpy()
        self._last = (slices, tuple(sequences), answer)
        return answer

    def views(self, slices: Slices) -> Tensor:
        """Return whole crops as the network looks at them, (N, 4, …, size, size); the last ones are kept."""
        if self._views is None or self._views[0] is not slices:
            self._views = (slices, self.render(slices))
        return self._views[1]

    def render(self, slices: Slices) -> Tensor:
        """Return whole crops, unaltered, at the network's size and normalised."""
        images = torch.from_numpy(slices.images)
        return render(images, Draws.whole(len(images), images.shape[-1]), self.settings.image_size)
