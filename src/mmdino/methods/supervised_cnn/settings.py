"""Settings of the supervised CNN."""

from typing import Literal

from pydantic import Field

from mmdino.methods.common.settings import LoopSettings, Positive, Share


class Settings(LoopSettings):
    """A timm network with four input channels, from random weights."""

    network: str = Field(default="resnet18", description="A timm model that takes in_chans and features_only=False.")
    image_size: int = Field(default=96, ge=32, description="Side in pixels to which a crop is resized.")
    sequence_dropout: Share = Field(
        default=0.5, description="Probability that a sequence is zeroed in training; one always stays."
    )
    steps: int = Field(default=4000, ge=0)
    batch: int = Field(default=32, ge=2, description="Patients a step.")
    evaluate_every: int = Field(
        default=200, ge=0, description="Steps between looks at the validation patients; 0: at the end."
    )
    lr: Positive = 1e-3
    warmup_steps: int = Field(default=50, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    drop_rate: Share = Field(default=0.0, description="Dropout before the classifier.")
    scale: tuple[Positive, Positive] = Field(
        default=(0.7, 1.0),
        description="Side of a training view, of the crop's; it is centred on a random tumour pixel.",
    )
    gamma: bool = Field(default=True, description="Whether intensities are bent (x to the power of .75 to 1.5).")
    blur: Share = Field(default=0.1, description="Probability that a training view is blurred.")
    select_by: Literal["cls", "head"] = Field(
        default="head", description="The read-out whose validation MCC chooses the best weights."
    )
