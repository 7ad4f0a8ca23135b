"""The network: any timm classifier, and how it is asked about patients who have, or show, only some sequences."""

from typing import Any

import numpy as np
import timm
import torch
from torch import Tensor, nn

from mmdino.dataset.bank import Slices
from mmdino.errors import UserError, nearest
from mmdino.methods.common.augment import Draws, render
from mmdino.methods.supervised_cnn.settings import Settings
from mmdino.tables import CLASSES, SEQUENCES

CHUNK = 64


def new_network(settings: Settings, seed: int) -> nn.Module:
    """Return the untrained network; equal seeds give equal weights, and torch's global stream is left alone.

    Raises:
        UserError: timm does not know it.
    """
    if not timm.is_model(settings.network):
        hint = nearest(settings.network, timm.list_models())
        raise UserError(f"supervised-cnn: timm has no network '{settings.network}'{hint}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return timm.create_model(
            settings.network, in_chans=len(SEQUENCES), num_classes=len(CLASSES), drop_rate=settings.drop_rate
        )


class CNNEncoder:
    """A network, ready to be asked about patients: a sequence that is absent or not shown is zero, as in training."""

    def __init__(self, network: Any, settings: Settings):
        self.network, self.settings = network, settings

    def features(self, slices: Slices, sequences: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return ``cls``: the pooled features before the classifier, (N, D) float32."""
        return {"cls": self._ask(slices, sequences)[0]}

    def probabilities(self, slices: Slices, sequences: tuple[str, ...]) -> np.ndarray:
        """Return the classifier's probabilities (N, 3)."""
        return self._ask(slices, sequences)[1]

    @torch.no_grad()
    def _ask(self, slices: Slices, sequences: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        training = self.network.training
        self.network.eval()
        device = next(self.network.parameters()).device
        shown = torch.tensor([name in sequences for name in SEQUENCES])[:, None, None]
        parts: list[tuple[Tensor, Tensor]] = []
        for chunk in torch.from_numpy(slices.images).split(CHUNK):
            whole = Draws.whole(len(chunk), chunk.shape[-1])
            views = render(chunk * shown, whole, self.settings.image_size).to(device)
            maps = self.network.forward_features(views)
            pooled = self.network.forward_head(maps, pre_logits=True)
            scores = self.network.forward_head(maps)
            parts.append((pooled.float().cpu(), scores.float().softmax(-1).cpu()))
        self.network.train(training)
        features, probabilities = (torch.cat(column).numpy() for column in zip(*parts))
        return features, probabilities
