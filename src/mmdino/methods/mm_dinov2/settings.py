"""Settings of MM-DINOv2; the defaults are the paper's recipe, the released code's defects mended (docs/method.md)."""

from typing import Literal

from pydantic import Field, model_validator

from mmdino.config.sources import CODE, MENDED, PAPER, Rule
from mmdino.methods.common.settings import Positive, Share, TrainingSettings
from mmdino.tables import CLASSES


class Settings(TrainingSettings):
    """MM-DINOv2: self-distillation with full-modality masking and a supervised term."""

    prototypes: int = Field(
        default=len(CLASSES),
        ge=len(CLASSES),
        json_schema_extra=PAPER,
        description="K; the first three are the classes.",
    )
    projection: Literal["shared", "separate"] = Field(
        default="shared",
        json_schema_extra=PAPER,
        description="One projection head for the CLS and the patch loss, or one for each (DINOv2's large models).",
    )
    head_hidden: int = Field(default=2048, gt=0, json_schema_extra=CODE)
    head_bottleneck: int = Field(default=256, gt=0, json_schema_extra=CODE)
    local_crops: int = Field(default=8, ge=0, json_schema_extra=CODE)
    local_size: int = Field(default=56, gt=0, json_schema_extra=CODE)
    local_scale: tuple[Positive, Positive] = Field(default=(0.2, 0.5), json_schema_extra=CODE)
    gamma: Rule = Field(
        default="mended",
        json_schema_extra=MENDED,
        description="released: the same exponents in every worker, and so in 15 batches one after the other.",
    )

    full_modality: Literal["none", "one", "uniform"] = Field(
        default="one",
        json_schema_extra=PAPER,
        description="Whole sequences hidden from the student in each global crop: none, one, or 0…S−1 (ours).",
    )
    mask_probability: Share = Field(
        default=0.5, json_schema_extra=CODE, description="Share of global crops with a block mask."
    )
    mask_ratio: tuple[Share, Share] = Field(default=(0.1, 0.5), json_schema_extra=CODE)
    masks: Rule = Field(
        default="mended",
        json_schema_extra=MENDED,
        description="released: without full-modality masking, the iBOT loss reads tokens that are not the masked ones.",
    )

    dino_weight: float = Field(default=1.0, ge=0, json_schema_extra=PAPER)
    ibot_weight: float = Field(default=1.0, ge=0, json_schema_extra=PAPER)
    koleo_weight: float = Field(default=0.1, ge=0, json_schema_extra=CODE)
    supervised_weight: float = Field(default=0.5, ge=0, json_schema_extra=CODE)
    supervised_scale: Literal["share", "one"] = Field(
        default="share",
        json_schema_extra=CODE,
        description="share: the supervised term is multiplied by the batch's labelled share.",
    )
    unlabelled: bool = Field(
        default=True, json_schema_extra=PAPER, description="Whether patients without a label train too."
    )
    labelled_fraction_of_batch: float | None = Field(
        default=None, gt=0, lt=1, json_schema_extra=CODE, description="None: as they come."
    )

    student_temperature: Positive = Field(default=0.1, json_schema_extra=CODE)
    teacher_temperature: Positive = Field(default=0.04, json_schema_extra=CODE)
    teacher_temperature_end: Positive = Field(default=0.07, json_schema_extra=CODE)
    teacher_temperature_steps: int = Field(default=1260, ge=0, json_schema_extra=CODE)
    centering: Literal["centring", "sinkhorn"] = Field(default="centring", json_schema_extra=CODE)
    centre_momentum: Share = Field(default=0.9, json_schema_extra=CODE)
    ema: Share = Field(default=0.992, json_schema_extra=CODE)
    ema_end: Share = Field(default=1.0, json_schema_extra=CODE)
    freeze_last_layer_steps: int = Field(default=42, ge=0, json_schema_extra=CODE)

    @model_validator(mode="after")
    def _something_to_see(self) -> "Settings":
        if self.full_modality == "one" and len(self.sequences) < 2:
            raise ValueError(
                "full_modality: one hides a whole sequence, and there is only one; set full_modality: none"
            )
        if self.mask_ratio[0] > self.mask_ratio[1] or self.mask_ratio[1] == 1:
            raise ValueError(f"mask_ratio {self.mask_ratio} must rise, and stay below 1: a crop must show something")
        return self

    @model_validator(mode="after")
    def _both_in_a_batch(self) -> "Settings":
        share = self.labelled_fraction_of_batch
        if share is not None and self.unlabelled and round(self.batch * share) in (0, self.batch):
            raise ValueError(
                f"labelled_fraction_of_batch {share} of {self.batch} patients is all of them or none; "
                "take more patients a step, or say None"
            )
        return self
