"""A cohort: where it lies and in which state, and how its patients are labelled."""

import re
from typing import Any, Literal

from pydantic import Field, model_validator

from mmdino.config.phantom import UNSEGMENTED, PhantomCohort
from mmdino.config.strict import Strict

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def wrong_name(name: str) -> str:
    """Return what is wrong with a cohort's name, which is a folder and a word of commands; empty if nothing is."""
    if NAME.fullmatch(name):
        return ""
    return f"a cohort cannot be called '{name}'; use letters, digits, '-', '_' and '.', a letter or digit first"


class Cohort(Strict):
    """One cohort on disk."""

    stage: Literal["native", "atlas", "atlas-other-space", "stripped", "stripped-other-space"] = Field(
        description="native: whole heads, each scan in its own space; atlas: registered to the atlas, with skull; "
        "stripped: registered to the atlas and skull-stripped; atlas-other-space and stripped-other-space: the same, but "
        "the space that the sequences share is not the atlas's."
    )
    role: Literal["train", "test"] = Field(default="train", description="test: the external test set, looked at once.")
    adapter: str = Field(default="folder", description="A file of mmdino/cohorts.")
    path: str = Field(default="", description="Where it lies; empty for a phantom cohort.")
    site: str = Field(default="", description="Scanner site, where the cohort has only one.")
    phantom: PhantomCohort | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_as_it_is_made(cls, given: Any) -> Any:
        """Phantoms in the layout of an archive are read by its adapter, which knows no scanner site."""
        made = given.get("phantom") if isinstance(given, dict) else None
        told = made.model_dump() if isinstance(made, PhantomCohort) else made
        if isinstance(told, dict) and told.get("layout", "folder") != "folder":
            return {"adapter": told["layout"], "site": told.get("site", ""), **given}
        return given

    @model_validator(mode="after")
    def _one_source(self) -> "Cohort":
        if bool(self.path) == (self.phantom is not None):
            raise ValueError("a cohort needs either 'path' (found on disk) or 'phantom' (made), and not both")
        if self.phantom and self.stage not in ("native", "stripped"):
            raise ValueError(f"phantoms are made native or stripped; set 'stage' to one of them, not to {self.stage}")
        if self.phantom and self.adapter != self.phantom.layout:
            raise ValueError(
                f"phantoms in the layout {self.phantom.layout} are not read by the adapter '{self.adapter}'; remove "
                "'adapter', or set 'phantom.layout' to it"
            )
        if self.phantom and self.phantom.layout in UNSEGMENTED and self.stage == "stripped":
            raise ValueError(
                f"the layout {self.phantom.layout} has no segmentations, without which a stripped phantom's few planes are "
                "of no use; set 'stage: native', or another 'phantom.layout'"
            )
        return self


class Labels(Strict):
    """The ambiguous choices of the WHO-2021 rule (``mmdino/cohorts/common/labels.py``); defaults follow the paper."""

    wildtype_low_grade: Literal["glioblastoma", "unlabelled"] = Field(
        default="glioblastoma",
        description="IDH-wildtype of grade 2 or 3, for which WHO 2021 asks for TERT, EGFR or +7/-10, which the tables lack.",
    )
    mutant_unknown_1p19q: Literal["unlabelled", "astrocytoma"] = Field(
        default="unlabelled", description="IDH-mutant, 1p/19q unknown, and no integrated diagnosis."
    )
    relative_codeletion: Literal["diagnosis", "codeleted", "intact", "unlabelled"] = Field(
        default="diagnosis", description="What '1p/19q: relative co-deletion' is taken for."
    )
    hidden: list[str] = Field(default=[], description="Cohorts whose labels are not used.")
