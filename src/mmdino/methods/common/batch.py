"""A batch on its way to the network: a dataclass, perhaps of dataclasses, of tensors and of views still to be rendered."""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from mmdino.methods.common.augment import Draws, render

Leaf = TypeVar("Leaf")


@dataclasses.dataclass(frozen=True)
class Unrendered:
    """Views as they were drawn, in a fifth of the memory that they will take.

    Attributes:
        images: (B, S, …, H, H) in [0, 1], from which the views are cut.
        draws: of each kind of view.
        size: pixels a side.
    """

    images: Tensor
    draws: tuple[Draws, ...]
    size: int

    def render(self) -> Tensor:
        """Return the views (kinds · B, S, …, size, size), normalised, where the images are: one kind after the other.

        A GPU makes all kinds at once, with few large kernels; on a CPU one kind at a time stays in its cache, and takes
        half the time. The views are the same.
        """
        if not self.draws:
            return self.images.new_empty(0)
        if self.images.is_cuda:
            return self.together()
        return torch.cat([render(self.images, draws, self.size) for draws in self.draws])

    def together(self) -> Tensor:
        """Return the same, all kinds at once."""
        return render(torch.cat([self.images] * len(self.draws)), Draws.joined(self.draws), self.size)


Views = TypeVar("Views", Unrendered, Tensor)  # of a batch that is on its way, and of one that has arrived


def rendered(batch: Any) -> Any:
    """Return a batch with its views rendered, on the device on which it is."""
    return mapped(batch, Unrendered, Unrendered.render)


def mapped(value: Any, kind: type[Leaf], change: Callable[[Leaf], Any]) -> Any:
    """Return a batch with everything of one ``kind`` changed; what stands in it twice is changed once."""
    changed: dict[int, Any] = {}

    def visit(part: Any) -> Any:
        if isinstance(part, kind):
            if id(part) not in changed:
                changed[id(part)] = change(part)
            return changed[id(part)]
        if dataclasses.is_dataclass(part) and not isinstance(part, type):
            fields = {field.name: visit(getattr(part, field.name)) for field in dataclasses.fields(part)}
            return dataclasses.replace(part, **fields)
        return part

    return visit(value)
