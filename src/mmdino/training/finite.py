"""Stopping where a loss is no number, and saying whose images it may be."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmdino.errors import UserError


def require_finite(values: Mapping[str, float], step: int, batch: Any) -> None:
    """Refuse losses that are NaN or infinite.

    Raises:
        UserError: naming the losses, and the patients whose images hold such values, else everybody in the batch.
    """
    wrong = [name for name, value in values.items() if not math.isfinite(value)]
    if not wrong:
        return
    subjects = getattr(batch, "subjects", [])
    guilty = offenders(batch, subjects)
    who = f"the images of {', '.join(guilty)} hold NaN or infinity" if guilty else f"patients {', '.join(subjects)}"
    raise UserError(
        f"training: {', '.join(wrong)} is not finite at step {step + 1} ({who}); "
        "the last good checkpoint is kept: lower the learning rate, or look at these patients' images"
    )


def offenders(batch: Any, subjects: list[str]) -> list[str]:
    """Return the subjects of whom a floating tensor of the batch, (k·B, …) with patients innermost, is not finite."""
    found: set[int] = set()
    for field in dataclasses.fields(batch) if dataclasses.is_dataclass(batch) and subjects else ():
        value = getattr(batch, field.name)
        if isinstance(value, Tensor) and value.is_floating_point() and value.ndim and len(value) % len(subjects) == 0:
            rows = (~torch.isfinite(value.flatten(1))).any(1) if value.ndim > 1 else ~torch.isfinite(value)
            found |= {int(row) % len(subjects) for row in rows.nonzero()}
    return [subjects[number] for number in sorted(found)]
