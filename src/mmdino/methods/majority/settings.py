"""Settings of chance: none."""

from mmdino.config import MethodSettings, Readout


class Settings(MethodSettings):
    """There is nothing to set."""

    @property
    def readouts(self) -> frozenset[Readout]:
        """Return the regression, which has nothing to go by, and the shares."""
        return frozenset({"cls", "head"})
