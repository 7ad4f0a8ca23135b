"""Settings that the ViT methods share."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from mmdino.config import MethodSettings
from mmdino.tables import SEQUENCES

Sequence = Literal["t1", "t1c", "t2", "flair"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class ViTSettings(MethodSettings):
    """The network and how it looks at a patient. Defaults: the paper's."""

    backbone: str = Field(
        default="vit_base_patch14_dinov2.lvd142m",
        description="Where its weights come from: starter, random, the path of a checkpoint, or a timm name.",
    )
    dim: int = Field(default=768, gt=0, description="Width; a starter brings its own size.")
    depth: int = Field(default=12, gt=0)
    heads: int = Field(default=12, gt=0)
    patch: int = Field(default=14, gt=0)
    grid: int = Field(default=37, gt=0, description="Side of the position grid.")
    stem: Literal["linear", "conv"] = "linear"
    positions: Literal["per-sequence", "stacked"] = Field(
        default="per-sequence", description="stacked: the sequences as one tall image (the paper's 'concatenation')."
    )
    modality_embedding: bool = True
    layer_scale: Positive = 1e-5
    sequences: list[Sequence] = Field(default=["t2", "t1", "t1c", "flair"], min_length=1)
    global_size: int = Field(default=98, gt=0, description="Side of a global crop in pixels.")
    eval_size: int = Field(
        default=98, gt=0, description="Side at which a patient is looked at; the released code: 224."
    )
    eval_transform: Literal["mended", "released"] = Field(
        default="mended", description="released: per-sequence min–max and another normalisation than in training."
    )
    missing: Literal["mask", "drop"] = Field(
        default="mask",
        description="What stands for a missing sequence at evaluation: mask tokens (the paper's), or nothing.",
    )
    select_by: Literal["cls", "patch", "head"] = Field(
        default="cls", description="The read-out whose validation MCC chooses the best weights."
    )

    @model_validator(mode="after")
    def _fits(self) -> "ViTSettings":
        if self.dim % self.heads:
            raise ValueError(f"dim {self.dim} is no multiple of heads {self.heads}")
        for name in ("global_size", "eval_size", "local_size"):
            size = getattr(self, name, self.patch)
            if size % self.patch:
                raise ValueError(f"{name} {size} is no multiple of the patch, {self.patch}")
        if len(set(self.sequences)) != len(self.sequences):
            raise ValueError(f"sequences must differ; known are {', '.join(SEQUENCES)}")
        return self


class TrainingSettings(ViTSettings):
    """How a ViT is optimised (in steps: 42 make an epoch of the paper). Defaults: the paper's."""

    steps: int = Field(default=8400, ge=0)
    batch: int = Field(default=64, ge=2, description="Patients a step.")
    evaluate_every: int = Field(
        default=210, ge=0, description="Steps between looks at the validation patients; 0: at the end."
    )
    lr: Positive = 2.5e-5
    lr_end: float = Field(default=1e-6, ge=0)
    warmup_steps: int = Field(default=840, ge=0)
    weight_decay: float = Field(default=0.04, ge=0)
    weight_decay_end: float = Field(default=0.4, ge=0)
    layer_decay: float = Field(default=0.9, gt=0, le=1)
    patch_embed_lr: float = Field(
        default=0.2, ge=0, description="Factor on the patch embedding's rate; 0: it is frozen."
    )
    freeze_backbone_steps: int = Field(default=420, ge=0)
    clip: Positive = 3.0
    drop_path: float = Field(default=0.3, ge=0, lt=1)
    precision: Literal["fp32", "bf16", "auto"] = Field(
        default="fp32", description="Of the forward pass and the losses; auto: bf16 where the hardware computes it."
    )
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    class_weight: Literal["train", "batch", "none"] = Field(
        default="train", description="Whose class frequencies weigh the labels; batch: the released code."
    )
    blur: Literal["designed", "released"] = Field(default="designed", description="released: probabilities inverted.")
    global_scale: tuple[Positive, Positive] = Field(default=(0.5, 1.0), description="Side of a crop, of the slice's.")

    @model_validator(mode="after")
    def _warms_up(self) -> "TrainingSettings":
        if self.steps and self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be less than steps {self.steps}")
        return self
