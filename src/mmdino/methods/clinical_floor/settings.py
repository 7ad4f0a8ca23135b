"""Settings of the clinical floor: none."""

from mmdino.config import MethodSettings, Readout


class Settings(MethodSettings):
    """There is nothing to set."""

    @property
    def readouts(self) -> frozenset[Readout]:
        """Return the regression alone."""
        return frozenset({"cls"})
