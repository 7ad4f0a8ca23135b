"""Settings that the methods share. ``json_schema_extra`` says where a default comes from (``mmdino show-config``)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from mmdino.config import Job, MethodSettings, Needs
from mmdino.config.sources import CODE, MENDED, PAPER, Rule
from mmdino.methods.common.needs import MANY, network_needs
from mmdino.tables import SEQUENCES

STARTER = 12 * 4 * 128**2  # weights of its blocks
Sequence = Literal["t1", "t1c", "t2", "flair"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class LoopSettings(MethodSettings):
    """How long a network is trained, and at which rate."""

    steps: int = Field(default=8400, ge=0, json_schema_extra=PAPER, description="42 make an epoch of the paper.")
    batch: int = Field(default=64, ge=2, json_schema_extra=PAPER, description="Patients a step.")
    evaluate_every: int = Field(
        default=210,
        ge=0,
        json_schema_extra=CODE,
        description="Steps between looks at the validation patients; 0: at the end.",
    )
    lr: Positive = Field(default=2.5e-5, json_schema_extra=PAPER)
    lr_end: float = Field(default=1e-6, ge=0, json_schema_extra=CODE)
    warmup_steps: int = Field(default=840, ge=0, json_schema_extra=CODE)
    weight_decay: float = Field(default=0.04, ge=0, json_schema_extra=CODE)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1, json_schema_extra=CODE)
    precision: Literal["fp32", "bf16", "fp16", "auto"] = Field(
        default="fp32", description="Of the forward pass and the losses; auto: bf16 where the hardware computes it."
    )
    compile: bool = Field(default=False, description="torch.compile the blocks, where it works; else say so and go on.")

    @model_validator(mode="after")
    def _warms_up(self) -> "LoopSettings":
        if self.steps and self.warmup_steps >= self.steps:
            raise ValueError(f"warmup_steps {self.warmup_steps} must be less than steps {self.steps}")
        return self


class ViTSettings(MethodSettings):
    """The network and how it looks at a patient. Defaults: the paper's."""

    at_evaluation: ClassVar[frozenset[str]] = frozenset({"missing", "fewer_sequences"})

    backbone: str = Field(
        default="vit_base_patch14_dinov2.lvd142m",
        json_schema_extra=PAPER,
        description="Where its weights come from: starter, random, the path of a checkpoint, or a timm name.",
    )
    dim: int = Field(default=768, gt=0, json_schema_extra=PAPER, description="Width; a starter brings its own size.")
    depth: int = Field(default=12, gt=0, json_schema_extra=PAPER)
    heads: int = Field(default=12, gt=0, json_schema_extra=PAPER)
    patch: int = Field(default=14, gt=0, json_schema_extra=PAPER)
    grid: int = Field(default=37, gt=0, json_schema_extra=PAPER, description="Side of the position grid.")
    registers: int = Field(default=0, ge=0, json_schema_extra=PAPER, description="4 in DINOv2's files with registers.")
    ffn: Literal["mlp", "swiglu"] = Field(default="mlp", json_schema_extra=PAPER, description="swiglu: ViT-g's.")
    stem: Literal["linear", "conv"] = Field(default="linear", json_schema_extra=PAPER)
    positions: Literal["per-sequence", "stacked"] = Field(
        default="per-sequence",
        json_schema_extra=PAPER,
        description="stacked: the sequences as one tall image (the paper's 'concatenation').",
    )
    modality_embedding: bool = Field(default=True, json_schema_extra=PAPER)
    layer_scale: Positive = Field(default=1e-5, json_schema_extra=CODE)
    attention: Literal["fused", "plain"] = Field(
        default="fused", description="fused: torch's scaled_dot_product_attention; plain: as two matrix products."
    )
    sequences: list[Sequence] = Field(default=["t2", "t1", "t1c", "flair"], min_length=1, json_schema_extra=PAPER)
    global_size: int = Field(default=98, gt=0, json_schema_extra=CODE, description="Side of a global crop in pixels.")
    eval_size: int = Field(
        default=98,
        gt=0,
        json_schema_extra=MENDED,
        description="Side at which a patient is looked at; the released code: 224.",
    )
    eval_transform: Rule = Field(
        default="mended",
        json_schema_extra=MENDED,
        description="released: per-sequence min–max and another normalisation than in training.",
    )
    missing: Literal["mask", "drop"] = Field(
        default="mask",
        json_schema_extra=PAPER,
        description="What stands for a missing sequence at evaluation: mask tokens (the paper's), or nothing.",
    )
    fewer_sequences: Rule = Field(
        default="mended",
        json_schema_extra=MENDED,
        description="released: where missing sequences are dropped, those that are left get the first ones' embeddings.",
    )
    select_by: Literal["cls", "patch", "head"] = Field(
        default="cls",
        json_schema_extra=CODE,
        description="The read-out whose validation MCC chooses the best weights.",
    )

    @property
    def weights(self) -> int:
        """Return about how many weights the blocks have; a starter brings its own size."""
        return STARTER if self.backbone.startswith("starter") else 12 * self.depth * self.dim**2

    def needs(self, job: Job) -> Needs:
        """Return what a network needs that is not trained: a look at the patients."""
        return network_needs(job, self.weights, patients_seen=0, gpus=1)

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


class TrainingSettings(LoopSettings, ViTSettings):
    """How a ViT is optimised. Defaults: the paper's."""

    weight_decay_end: float = Field(default=0.4, ge=0, json_schema_extra=CODE)
    layer_decay: float = Field(default=0.9, gt=0, le=1, json_schema_extra=CODE)
    patch_embed_lr: float = Field(
        default=0.2, ge=0, json_schema_extra=CODE, description="Factor on the patch embedding's rate; 0: it is frozen."
    )
    freeze_backbone_steps: int = Field(default=420, ge=0, json_schema_extra=CODE)
    clip: Positive = Field(default=3.0, json_schema_extra=CODE)
    resume: Rule = Field(
        default="mended",
        json_schema_extra=MENDED,
        description="released: a run that was interrupted goes on with its backbone frozen, and its data from the start.",
    )
    drop_path: float = Field(default=0.3, ge=0, lt=1, json_schema_extra=CODE)
    drop_path_draws: Rule = Field(
        default="mended",
        json_schema_extra=MENDED,
        description="released: drop-path's draws begin anew after each look at the validation patients.",
    )
    accumulate: int = Field(
        default=1,
        ge=1,
        description="Parts in which a batch goes through the network, so that memory holds one part's activations; "
        "the losses stay the whole batch's.",
    )
    class_weight: Literal["train", "batch", "none"] = Field(
        default="train",
        json_schema_extra=MENDED,
        description="Whose class frequencies weigh the labels; batch: the released code.",
    )
    blur: Rule = Field(default="mended", json_schema_extra=MENDED, description="released: probabilities inverted.")
    crops: Rule = Field(
        default="mended",
        json_schema_extra=MENDED,
        description="released: height and width of a crop are swapped in placing it, and the far border cuts it off.",
    )
    flip: Rule = Field(
        default="mended", json_schema_extra=MENDED, description="released: front–back instead of left–right."
    )
    global_scale: tuple[Positive, Positive] = Field(
        default=(0.5, 1.0), json_schema_extra=CODE, description="Side of a crop, of the slice's."
    )

    def needs(self, job: Job) -> Needs:
        """Return what its training needs, which several GPUs can share."""
        return network_needs(job, self.weights, self.steps * self.batch, gpus=MANY)
