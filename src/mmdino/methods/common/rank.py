"""How many directions a batch of features fills."""

import torch
from torch import Tensor


@torch.no_grad()
def effective_rank(features: Tensor) -> Tensor:
    """Return exp(entropy of the normalised singular values) of centred features (B, D): 1 (collapsed) … min(B − 1, D).

    Source: Roy and Vetterli, The effective rank, EUSIPCO 2007.
    """
    centred = features.float() - features.float().mean(0)
    values = torch.linalg.svdvals(centred)
    return torch.special.entr(values / values.sum().clamp_min(1e-12)).sum().exp()
