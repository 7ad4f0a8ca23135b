"""Settings of the hand-made features."""

from pydantic import Field

from mmdino.config import MethodSettings


class Settings(MethodSettings):
    """What is computed; nothing is trained but the regression on top."""

    grey_levels: int = Field(default=16, ge=4, le=64, description="Of entropy and of the co-occurrence matrix.")
    distances: list[int] = Field(
        default=[1, 3], min_length=1, description="Pixels between the pairs of the co-occurrence matrix."
    )
