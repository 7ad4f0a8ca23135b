"""The paper's own figures (``config/published.yaml``), each with its source and standing."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from mmdino.config.strict import Strict, parse, read_yaml


class Figure(Strict):
    """A published number."""

    what: str
    metric: Literal["mcc"]
    value: float = Field(ge=-1, le=1)
    experiments: list[str] = Field(
        default_factory=list, description="The arms of ours beside it, the first that has been run."
    )
    test_set: str = Field(description="On whom, as far as it is known.")
    source: str
    standing: Literal["firm", "derived", "secondary"]


class Published(Strict):
    """All published numbers that were found."""

    figures: list[Figure]


def load_published(path: Path | str) -> list[Figure]:
    """Read the published figures.

    Raises:
        UserError: the file is missing, or a key is wrong.
    """
    return parse(Published, read_yaml(path), path).figures
