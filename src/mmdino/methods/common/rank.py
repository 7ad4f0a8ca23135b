"""How many directions a batch of features fills."""

import torch
from torch import Tensor


@torch.no_grad()
def effective_rank(features: Tensor) -> Tensor:
    """Return exp(entropy of the normalised singular values) of centred features (B, D): 1 (collapsed) … min(B − 1, D).

    NaN where the features are not finite: of those LAPACK raises, before the loop could say that training has diverged.
    Source: Roy and Vetterli, The effective rank, EUSIPCO 2007.
    """
    centred = features.float() - features.float().mean(0)
    if not torch.isfinite(centred).all():
        return centred.new_full((), torch.nan)
    values = torch.linalg.svdvals(centred)
    return torch.special.entr(values / values.sum().clamp_min(1e-12)).sum().exp()
