"""A cohort of phantoms: patients to be made instead of found."""

from typing import Literal

from pydantic import Field, model_validator

from mmdino.config.strict import Strict

PlacedAs = Literal[
    "folder", "bids", "brats2021", "egd", "lumiere", "rembrandt", "tcga", "ucsf-pdgm", "upenn-gbm"
]  # mmdino/phantom/layouts
OF_THE_COHORT = ("folder", "bids")  # layouts whose ids begin with the cohort's name; those of archives are numbers
UNSEGMENTED = ("lumiere",)  # layouts whose adapter reads no segmentation
MOST = {"lumiere": 999}  # patients for whom a layout's ids have digits; of any other archive:
MOST_ELSEWHERE = 8_999


class PhantomCohort(Strict):
    """Patients to be made instead of found (``mmdino phantom``)."""

    site: str = Field(description="The scanner style: site-a, site-b, site-c, or external.")
    patients: int = Field(gt=0)
    variant: Literal["default", "hard"] = "default"
    seed: int = 0
    planes: int = Field(default=5, gt=0, description="Axial planes of a stripped patient's slab (4 mm apart).")
    faults: bool = Field(
        default=False, description="Native only: one patient lacks a sequence, one has a damaged file."
    )
    layout: PlacedAs = Field(
        default="folder",
        description="How files, ids and tables are named, and by which adapter the cohort is read. upenn-gbm and lumiere "
        "tell no 1p/19q, so that their mutants are unlabelled; brats2021 and rembrandt label nobody.",
        exclude_if=lambda layout: layout == "folder",  # so that what was made before there were others is not made anew
    )

    @model_validator(mode="after")
    def _ids_suffice(self) -> "PhantomCohort":
        most = MOST.get(self.layout, MOST_ELSEWHERE)
        if self.layout not in OF_THE_COHORT and self.patients > most:
            raise ValueError(f"the layout {self.layout} has ids for {most} patients, not for {self.patients}")
        return self
