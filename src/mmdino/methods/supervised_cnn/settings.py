"""Settings of the supervised CNN."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from mmdino.config import Job, Needs, Readout
from mmdino.methods.common.needs import network_needs
from mmdino.methods.common.settings import LoopSettings, Positive, Share


class CNNSettings(LoopSettings):
    """What every CNN has, whatever its network: how it is optimised, how its views are drawn, what it does without."""

    size: ClassVar[int] = 30_000_000  # weights: those of the usual networks: ResNet-50 has 26 million, ConvNeXt-T 29
    images_gb: ClassVar[int] = 0

    image_size: int = Field(default=96, ge=32, description="Side in pixels to which a crop is resized.")
    sequence_dropout: Share = Field(
        default=0.5, description="Probability that a sequence is hidden in training (ModDrop); one always stays."
    )
    fill: Literal["zero", "mean", "token"] = Field(
        default="zero",
        description="What stands for a hidden or absent sequence: zero, the training patients' mean crop, or a learned one.",
    )
    steps: int = Field(default=4000, ge=0)
    batch: int = Field(default=32, ge=2, description="Patients a step.")
    evaluate_every: int = Field(
        default=200, ge=0, description="Steps between looks at the validation patients; 0: at the end."
    )
    lr: Positive = 1e-3
    warmup_steps: int = Field(default=50, ge=0)
    weight_decay: float = Field(default=0.05, ge=0)
    precision: Literal["fp32", "bf16", "fp16", "auto"] = Field(
        default="auto", description="In training; auto: bf16 where the hardware computes it. Prediction is in fp32."
    )
    scale: tuple[Positive, Positive] = Field(default=(0.85, 1.0), description="Side of a training view, of the crop's.")
    aspect: float = Field(default=1.1, ge=1, description="Most that a training view is stretched.")
    jitter: Share = Field(
        default=0.3,
        description="How far a training view's middle goes from the crop's (0) to a random tumour pixel (1).",
    )
    gamma: bool = Field(default=True, description="Whether intensities are bent (x to the power of .75 to 1.5).")
    blur: Share = Field(default=0.1, description="Probability that a training view is blurred.")
    select_by: Literal["cls", "head"] = Field(
        default="head", description="The read-out whose validation MCC chooses the best weights."
    )

    @property
    def readouts(self) -> frozenset[Readout]:
        """Return its regression and its head."""
        return frozenset({"cls", "head"})

    def needs(self, job: Job) -> Needs:
        """Return what its training needs, on one GPU."""
        return network_needs(job, self.size, self.steps * self.batch, gpus=1, images_gb=self.images_gb)

    @model_validator(mode="after")
    def _is_not_compiled(self) -> "CNNSettings":
        if self.compile:
            raise ValueError("compile: a ViT's blocks alone are compiled, and this network has none; leave it out")
        return self


class Settings(CNNSettings):
    """A timm network with four input channels."""

    network: str = Field(
        default="resnet18", description="A timm model, such as resnet50, convnext_tiny, efficientnet_b0."
    )
    weights: str = Field(
        default="random",
        description="random; imagenet (timm's own, from its cache or download); or the path of such a file.",
    )
    drop_rate: Share = Field(default=0.0, description="Dropout before the classifier.")
