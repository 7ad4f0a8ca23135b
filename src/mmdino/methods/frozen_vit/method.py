"""A ViT that is not trained: its features are read out as they are."""

from torch import Tensor

from mmdino.methods.base import Run, Untrained, restore
from mmdino.methods.common.network import HeadedViT, ViTEncoder, exported, recorded_backbone, starting_backbone


class FrozenViT(Untrained):
    """Nothing to train."""

    network: HeadedViT

    def __init__(self, run: Run):
        self.settings = run.settings
        self.select_by = run.settings.select_by
        self.network = HeadedViT(starting_backbone(run.settings, run.seed), head=None).requires_grad_(False)

    def encoder(self) -> ViTEncoder:
        """Return the network."""
        return ViTEncoder(self.network, self.settings)

    def exported(self) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return the network's weights."""
        return exported(self.network)


def build(run: Run) -> FrozenViT:
    """Return the network with its starting weights."""
    return FrozenViT(run)


def load(run: Run) -> ViTEncoder:
    """Return the network that :func:`build` saved.

    Raises:
        UserError: the file is missing, damaged, or of another network.
    """
    network = HeadedViT(recorded_backbone(run), head=None)
    return ViTEncoder(restore(network, run, "frozen ViT"), run.settings)
