"""The views of MM-DINOv2: two global and several local crops of each patient (method.md, Training views)."""

from mmdino.methods.common.views import View
from mmdino.methods.mm_dinov2.settings import Settings


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
