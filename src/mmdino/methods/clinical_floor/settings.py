"""Settings of the clinical floor: none."""

from mmdino.config import MethodSettings


class Settings(MethodSettings):
    """There is nothing to set."""
