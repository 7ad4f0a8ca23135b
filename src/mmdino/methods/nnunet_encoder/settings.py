"""Settings of the segmentation network's features."""

from pydantic import Field

from mmdino.config import MethodSettings


class Settings(MethodSettings):
    """Which network; it is not trained further."""

    model: str = Field(
        default="phantom",
        description="phantom (the segmenter we ship), or a trained nnU-Net v2 model folder of a 2-D configuration.",
    )
