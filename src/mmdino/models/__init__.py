"""Networks and classifiers: the multi-modal ViT, its weights, the projection head, the regression on features."""

from typing import Any

__all__ = ["from_reference"]


def __getattr__(name: str) -> Any:
    """Import ``from_reference`` when it is asked for: the room's light files (scores) need no torch."""
    if name == "from_reference":
        from mmdino.models.weights import from_reference

        return from_reference
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
