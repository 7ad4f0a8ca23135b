"""Settings of MM-DINOv2; the defaults are the paper's recipe, the released code's defects mended (docs/method.md)."""

from typing import Literal

from pydantic import Field, model_validator

from mmdino.methods.common.settings import Positive, Share, TrainingSettings
from mmdino.tables import CLASSES


class Settings(TrainingSettings):
    """MM-DINOv2: self-distillation with full-modality masking and a supervised term."""

    prototypes: int = Field(default=len(CLASSES), ge=len(CLASSES), description="K; the first three are the classes.")
    head_hidden: int = Field(default=2048, gt=0)
    head_bottleneck: int = Field(default=256, gt=0)
    local_crops: int = Field(default=8, ge=0)
    local_size: int = Field(default=56, gt=0)
    local_scale: tuple[Positive, Positive] = (0.2, 0.5)

    full_modality: Literal["none", "one", "uniform"] = Field(
        default="one", description="Whole sequences hidden from the student in each global crop: none, one, or 0…S−1."
    )
    mask_probability: Share = Field(default=0.5, description="Share of global crops with a block mask.")
    mask_ratio: tuple[Share, Share] = (0.1, 0.5)

    dino_weight: float = Field(default=1.0, ge=0)
    ibot_weight: float = Field(default=1.0, ge=0)
    koleo_weight: float = Field(default=0.1, ge=0)
    supervised_weight: float = Field(default=0.5, ge=0)
    supervised_scale: Literal["share", "one"] = Field(
        default="share", description="share: the supervised term is multiplied by the batch's labelled share."
    )
    unlabelled: bool = Field(default=True, description="Whether patients without a label train too.")
    labelled_fraction_of_batch: float | None = Field(default=None, gt=0, lt=1, description="None: as they come.")

    student_temperature: Positive = 0.1
    teacher_temperature: Positive = 0.04
    teacher_temperature_end: Positive = 0.07
    teacher_temperature_steps: int = Field(default=1260, ge=0)
    centering: Literal["centring", "sinkhorn"] = "centring"
    centre_momentum: Share = 0.9
    ema: Share = 0.992
    ema_end: Share = 1.0
    freeze_last_layer_steps: int = Field(default=42, ge=0)

    @model_validator(mode="after")
    def _room_to_hide(self) -> "Settings":
        if self.full_modality == "one" and len(self.sequences) < 2:
            raise ValueError(
                "full_modality: one hides a whole sequence, and there is only one; set full_modality: none"
            )
        return self
