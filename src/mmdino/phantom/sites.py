"""Scanner styles: what the same head looks like at another hospital. Site is independent of subtype."""

from dataclasses import dataclass

Range = tuple[float, float]


@dataclass(frozen=True)
class Style:
    """Ranges from which each patient's scan is drawn.

    Attributes:
        noise: standard deviation, in units of white matter's T1 intensity.
        blur: σ in mm.
        gamma: exponent of the intensity curve.
        bias: amplitude of the bias field.
        enhancement: factor of contrast enhancement.
        contrast: standard deviation of the tissues' intensities round their usual values.
    """

    noise: Range
    blur: Range
    gamma: Range
    bias: float
    enhancement: float
    contrast: float


SITES = {
    "site-a": Style(
        noise=(0.020, 0.030), blur=(0.0, 0.5), gamma=(0.95, 1.05), bias=0.10, enhancement=1.0, contrast=0.03
    ),
    "site-b": Style(
        noise=(0.025, 0.035), blur=(0.2, 0.7), gamma=(0.90, 1.10), bias=0.15, enhancement=0.9, contrast=0.04
    ),
    "site-c": Style(
        noise=(0.015, 0.030), blur=(0.0, 0.4), gamma=(1.00, 1.15), bias=0.12, enhancement=1.1, contrast=0.04
    ),
    "external": Style(
        noise=(0.040, 0.050), blur=(0.3, 1.1), gamma=(0.85, 1.25), bias=0.22, enhancement=0.75, contrast=0.05
    ),
}
TRAINING_SITES = ("site-a", "site-b", "site-c")
