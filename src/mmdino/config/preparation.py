"""What is done to patients before any training: preprocessing, the search for copies, splits, crops."""

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from mmdino.config.experiment import Policy
from mmdino.config.sources import Rule
from mmdino.config.strict import Strict


class Preprocess(Strict):
    """From native heads to stripped atlas space (settings measured in docs/benchmarks.md)."""

    atlas: str = Field(
        default="mni152",
        description="mni152 (carried by nilearn), or the path of a skull-stripped atlas such as SRI24.",
    )
    registration: Literal["rigid", "affine"] = Field(default="rigid", description="t1c to atlas; rigid as in BraTS.")
    brain_extraction: Literal["hd-bet-v1", "hd-bet-v2", "deepbet"] = Field(
        default="hd-bet-v1", description="v1 and deepbet are carried by their packages; v2 needs `brain_weights`."
    )
    brain_weights: str = Field(
        default="~/hd-bet_params/release_2.0.0",
        description="HD-BET 2's folder of weights (where `hd-bet` puts them when it first runs on a connected machine).",
    )
    segmenter: str = Field(
        default="phantom",
        description="A trained nnU-Net v2 model folder, none, or phantom (the model we ship; people are only segmented "
        "by it where a study says so itself).",
    )
    seed: int = 0


class Leakage(Strict):
    """Patients who occur twice (``mmdino leakage``; thresholds measured in docs/benchmarks.md)."""

    audit: bool = Field(
        default=False, description="Compare all patients; else only crosswalks and equal ids join them."
    )
    policy: Policy = Field(
        default="remove-from-train",
        description="remove-from-train: who is found twice is one patient, on one side of the splits, tested where any "
        "copy is tested. keep: each cohort's patients count for themselves, as in the paper.",
    )
    join_from: float = Field(
        default=7.5,
        gt=0,
        description="Similarity from which two patients are one, in standard deviations above that of strangers.",
    )
    join_everywhere: float = Field(
        default=0.23,
        ge=-1,
        le=1,
        description="Correlation that they must have as well where no place of the brain counts for more than the others: "
        "tumours alike in one place make nobody the same patient.",
    )
    review_from: float = Field(default=6.5, gt=0, description="Similarity from which a person should look.")


class Splits(Strict):
    """Who trains, who validates, who is tested: by patient."""

    validation_fraction: float = Field(default=0.2, gt=0, lt=1)
    labelled_fraction: float = Field(
        default=1.0, gt=0, le=1, description="Share of the labelled training patients whose label training may see."
    )
    lists: str = Field(
        default="",
        description="A folder of lists of ids, such as the authors', that say who trains and who validates; empty: drawn.",
    )
    seed: int = 0


class Bank(Strict):
    """The slice bank: the crops that training and evaluation read (method.md, Data)."""

    version: ClassVar[int] = 1  # of its files; a bank of another one is refused, and Snakemake builds it anew

    axes: list[Literal[0, 1, 2]] = Field(default=[0, 1, 2], min_length=1, description="0 sagittal, 1 coronal, 2 axial.")
    min_tumour_voxels: int = Field(default=500, ge=1)
    crop: int = Field(default=96, ge=16, description="Side of the crop in voxels.")
    slice_choice: Rule = Field(
        default="mended",
        description="released: sums label values instead of counting voxels, and truncates the centre.",
    )


class Volumes(Strict):
    """The volume bank: one stack of axial planes a patient round the tumour, for the methods that look in 3-D."""

    version: ClassVar[int] = 2  # from 2 on the middle plane is the slice with the most tumour at the head's ends too

    size: int = Field(default=96, ge=16, description="Pixels of a plane's side.")
    spacing: float = Field(default=1.0, gt=0, description="Millimetres between the pixels of a plane.")
    planes: int = Field(default=49, ge=1, description="Odd: the middle one is the slice with the most tumour.")
    gap: float = Field(default=2.0, gt=0, description="Millimetres between planes.")

    @field_validator("planes")
    @classmethod
    def _has_a_middle(cls, planes: int) -> int:
        if planes % 2 == 0:
            raise ValueError(f"volumes.planes is {planes}, and must be odd, so that one plane is the middle")
        return planes
