"""A large batch through a network in parts, so that memory holds the activations of one part only."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def in_parts(
    look: Callable[[Tensor, Tensor | None, Tensor | None], tuple[Tensor, ...]],
    parts: int,
    images: Tensor,
    masks: Tensor | None = None,
    patches: Tensor | None = None,
) -> tuple[Tensor, ...]:
    """Return ``look``'s tensors for all rows, computed in ``parts`` pieces of them.

    Each piece is computed again in the backward pass, where its gradient is added up: gradient accumulation whose losses
    are the whole batch's, also those that compare patients with each other (KoLeo, centring). Costs a forward pass.
    """
    if parts == 1:
        return look(images, masks, patches)
    pieces = [[None] * parts if rows is None else rows.chunk(parts) for rows in (images, masks, patches)]
    seen = [checkpoint(look, *piece, use_reentrant=False) for piece in zip(*pieces)]
    return tuple(torch.cat(column) for column in zip(*seen))
