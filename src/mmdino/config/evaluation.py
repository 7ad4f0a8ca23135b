"""How answers are judged."""

from typing import Any, Literal

from pydantic import Field, field_validator

from mmdino.config.strict import Strict


class Evaluation(Strict):
    """Intervals, comparisons and protocols."""

    bootstrap: int = Field(
        default=2000, ge=100, description="Resamples of the patients; ten times as many permutations."
    )
    protocols: list[Literal["refit", "transfer"]] = Field(default=["refit", "transfer"], min_length=1)
    margin: float = Field(
        default=0.05, gt=0, lt=1, description="Of MCC, by which an arm may be worse and not inferior."
    )
    select_on: Literal["val"] = Field(default="val", description="The split by which anything is chosen.")
    trials: int = Field(default=20, ge=1, description="Trials of `mmdino tune`, the same for every experiment.")

    @field_validator("protocols")
    @classmethod
    def _each_once(cls, protocols: list[str]) -> list[str]:
        if len(set(protocols)) < len(protocols):
            raise ValueError("a protocol is listed twice; name each once")
        return protocols

    @field_validator("select_on", mode="before")
    @classmethod
    def _not_the_test(cls, split: Any) -> Any:
        if split == "test":
            raise ValueError("the external test is looked at once, after everything is chosen; set select_on: val")
        return split
