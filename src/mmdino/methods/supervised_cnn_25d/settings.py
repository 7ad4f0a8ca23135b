"""Settings of the CNN on neighbouring planes."""

from typing import ClassVar

from pydantic import Field

from mmdino.config import Reads
from mmdino.methods.supervised_cnn.settings import Settings as CNN


class Settings(CNN):
    """A timm network with four channels a plane; the planes are the middle ones of the patient's volume."""

    reads: ClassVar[Reads] = "volumes"
    images_gb: ClassVar[int] = 1

    planes: int = Field(default=3, gt=0, description="The slice with the most tumour and its neighbours.")
