"""Settings of the supervised ViT: the shared ones, trained with cross-entropy on labelled patients."""

from typing import Literal

from pydantic import Field

from mmdino.methods.common.settings import TrainingSettings


class Settings(TrainingSettings):
    """The same network, labels only."""

    sequence_mask_probability: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Probability that a sequence is hidden in training; one always stays visible.",
    )
    select_by: Literal["cls", "patch", "head"] = "head"
