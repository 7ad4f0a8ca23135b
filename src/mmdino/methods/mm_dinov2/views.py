"""The views of MM-DINOv2: two global and several local crops of each patient (docs/method.md, Views)."""

import numpy as np
from numpy.typing import NDArray

from mmdino.methods.common.draws import stream
from mmdino.methods.common.views import GAMMA, View
from mmdino.methods.mm_dinov2.settings import Settings

WORKERS = 15  # of the released code's loader; each makes every fifteenth batch


def global_views(settings: Settings) -> list[View]:
    """Return the two global views. The first is always blurred as designed, and never in the released code."""
    s = settings
    first, second = (1.0, 0.1) if s.blur == "mended" else (0.0, 0.9)
    return [
        View("global 1", s.global_size, s.global_scale, blur=first, crops=s.crops, flip=s.flip),
        View("global 2", s.global_size, s.global_scale, blur=second, gamma=True, crops=s.crops, flip=s.flip),
    ]


def local_views(settings: Settings) -> list[View]:
    """Return the local views."""
    s = settings
    return [
        View(f"local {number + 1}", s.local_size, s.local_scale, blur=0.5, crops=s.crops, flip=s.flip)
        for number in range(s.local_crops)
    ]


def gammas_as_released(seed: int, step: int, patients: int) -> NDArray[np.float64]:
    """Return the exponents (patients,) of a step's bent views as the released code's workers draw them: all the same.

    There they also differ between two runs with one seed; here they don't.
    """
    return stream(seed, "gamma", step // WORKERS).uniform(*GAMMA, patients)
