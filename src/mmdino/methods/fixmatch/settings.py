"""Settings of FixMatch: the supervised CNN's, and what unlabelled patients add."""

from pydantic import Field

from mmdino.methods.common.settings import Positive, Share
from mmdino.methods.supervised_cnn.settings import Settings as CNN


class Settings(CNN):
    """A timm network trained on labelled patients and on its own sure answers."""

    unlabelled_ratio: int = Field(default=2, ge=1, description="Unlabelled patients a step, as a multiple of `batch`.")
    unlabelled_weight: float = Field(default=1.0, ge=0)
    threshold: float = Field(default=0.95, ge=0, lt=1, description="Probability from which an answer counts as sure.")
    strong_scale: tuple[Positive, Positive] = (0.5, 1.0)
    strong_dropout: Share = Field(default=0.5, description="Probability that a sequence is hidden in the strong view.")
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="Smoothed labels keep a network from ever being as sure as the threshold."
    )
