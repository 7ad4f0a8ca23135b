"""Values that change with the step: warm-up, cosine, hold."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Cosine:
    """Linear warm-up from 0 to ``start`` over ``warmup`` steps, then half a cosine to ``end`` at ``steps``.

    Source: DINOv2, `dinov2/utils/utils.py`, CosineScheduler.
    """

    start: float
    end: float
    steps: int
    warmup: int = 0

    def __call__(self, step: int) -> float:
        """Return the value at a step counted from 0; after ``steps``, ``end``."""
        if step < self.warmup:
            return self.start * step / max(1, self.warmup - 1)
        if step >= self.steps:
            return self.end
        progress = (step - self.warmup) / (self.steps - self.warmup)
        return self.end + 0.5 * (self.start - self.end) * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class Linear:
    """From ``start`` to ``end`` in ``steps`` steps, then held."""

    start: float
    end: float
    steps: int

    def __call__(self, step: int) -> float:
        """Return the value at a step counted from 0."""
        if step >= self.steps:
            return self.end
        return self.start + (self.end - self.start) * step / max(1, self.steps - 1)
