"""Settings of the frozen ViT: which network, and how it looks at a patient."""

from mmdino.methods.common.settings import ViTSettings


class Settings(ViTSettings):
    """A network that is not trained; ``backbone: random`` is the floor, ``starter`` the start."""
