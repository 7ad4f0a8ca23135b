"""The projection head that turns a token into prototype scores (DINOv2, `dinov2/layers/dino_head.py`)."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class WeightNormLinear(nn.Module):
    """A linear map without bias whose row k is ``weight_g[k] · weight_v[k] / ‖weight_v[k]‖``: one row a prototype."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.weight_v = nn.Parameter(nn.Linear(inputs, outputs, bias=False).weight.detach().clone())
        self.weight_g = nn.Parameter(torch.ones(outputs, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (…, outputs)."""
        return F.linear(x, self.weight_g * self.weight_v / self.weight_v.norm(dim=1, keepdim=True))


class ProjectionHead(nn.Module):
    """dim → hidden → hidden → bottleneck with GELU, unit length, then scores against K prototypes.

    MM-DINOv2 has one for both the CLS loss (DINO) and the patch loss (iBOT); its first C prototypes are the classes.
    """

    def __init__(self, dim: int, prototypes: int, hidden: int = 2048, bottleneck: int = 256):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.last_layer = WeightNormLinear(bottleneck, prototypes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return scores in [-g, g], (…, K), for tokens (…, dim)."""
        return self.last_layer(F.normalize(self.mlp(tokens), dim=-1, eps=1e-12))
