"""Settings of the hand-made features."""

from typing import Literal

from pydantic import Field

from mmdino.config import Job, MethodSettings, Needs, Readout


class Settings(MethodSettings):
    """What is computed from a slice, and which classifier the method has besides evaluation's regression (``cls``)."""

    grey_levels: int = Field(default=16, ge=4, le=64, description="Of entropy, co-occurrence and run lengths.")
    distances: list[int] = Field(
        default=[1, 3], min_length=1, description="Pixels between the pairs of the co-occurrence matrix."
    )
    classifier: Literal["boosting", "logistic"] = Field(
        default="boosting",
        description="boosting: gradient-boosted trees are read out as `head` too; logistic: the regression alone.",
    )
    hidden_copies: int = Field(
        default=2,
        ge=0,
        description="Copies of each patient, with sequences hidden at random, from which the trees learn to do without.",
    )

    @property
    def readouts(self) -> frozenset[Readout]:
        """Return the regression and, where they are grown, the trees."""
        return frozenset({"cls"} if self.classifier == "logistic" else {"cls", "head"})

    def needs(self, job: Job) -> Needs:
        """Return what it needs: the trees are grown on several cores."""
        return Needs(cpus=4)
