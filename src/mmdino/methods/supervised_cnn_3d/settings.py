"""Settings of the 3-D CNN."""

from typing import ClassVar, Literal

from pydantic import Field

from mmdino.config import Reads
from mmdino.methods.common.settings import Share
from mmdino.methods.supervised_cnn.settings import CNNSettings


class Settings(CNNSettings):
    """A MONAI network with four input channels; in training, all planes of a volume are moved together."""

    reads: ClassVar[Reads] = "volumes"
    images_gb: ClassVar[int] = 4  # a volume of 49 planes takes 7 MB, and all validation patients' are held

    network: Literal["densenet121", "densenet169", "resnet10", "resnet18", "resnet34", "resnet50"] = Field(
        default="densenet121", description="Of MONAI, from random weights; a DenseNet needs at least 32 planes."
    )
    image_size: int = Field(default=64, ge=32, description="Side in pixels to which a plane is resized.")
    planes: int | None = Field(default=None, gt=0, description="Of a volume, round its middle; null: all.")
    drop_rate: Share = Field(default=0.0, description="Dropout before the classifier.")
