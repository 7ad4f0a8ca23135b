"""Settings of the segmentation network's features."""

from typing import Literal

from pydantic import Field

from mmdino.config import Job, MethodSettings, Needs, Readout
from mmdino.methods.common.needs import network_needs


class Settings(MethodSettings):
    """Which network; it is not trained further."""

    model: str = Field(
        default="phantom",
        description="phantom (the segmenter we ship), or a trained nnU-Net v2 model folder of a 2-D configuration.",
    )
    deepest: int = Field(default=0, ge=0, description="Of the encoder's stages the deepest so many are read; 0: all.")
    pooling: Literal["mean", "max", "both"] = Field(default="mean", description="Of a stage's channels over the crop.")

    @property
    def readouts(self) -> frozenset[Readout]:
        """Return the regression alone."""
        return frozenset({"cls"})

    def needs(self, job: Job) -> Needs:
        """Return what the encoder of a 2-D nnU-Net (about 20 million weights) needs, which is not trained."""
        return network_needs(job, 20_000_000, patients_seen=0, gpus=1)
