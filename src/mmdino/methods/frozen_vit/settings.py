"""Settings of the frozen ViT: which network, and how it looks at a patient."""

from mmdino.config import Readout
from mmdino.methods.common.settings import ViTSettings


class Settings(ViTSettings):
    """A network that is not trained; ``backbone: random`` is the floor, ``starter`` the start."""

    @property
    def readouts(self) -> frozenset[Readout]:
        """Return the regressions; it has no head."""
        return frozenset({"cls", "patch"})
