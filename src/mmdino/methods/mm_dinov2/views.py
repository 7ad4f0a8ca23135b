"""The views of MM-DINOv2: two global and several local crops of each patient (method.md, Training views)."""

from mmdino.methods.common.views import View
from mmdino.methods.mm_dinov2.settings import Settings


def global_views(settings: Settings) -> list[View]:
    """Return the two global views. The first is always blurred as designed, and never in the released code."""
    first, second = (1.0, 0.1) if settings.blur == "designed" else (0.0, 0.9)
    return [
        View("global 1", settings.global_size, settings.global_scale, blur=first),
        View("global 2", settings.global_size, settings.global_scale, blur=second, gamma=True),
    ]


def local_views(settings: Settings) -> list[View]:
    """Return the local views."""
    return [
        View(f"local {number + 1}", settings.local_size, settings.local_scale, blur=0.5)
        for number in range(settings.local_crops)
    ]
