"""What the starter learns: two planes of one patient must find each other, and each must tell its own statistics."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdino.models.embedding import ConvPatchEmbed, cut_patches, interpolate_positions
from mmdino.models.vit import MultiModalViT, Tokens
from mmdino.starter.planes import COMPONENTS
from mmdino.tables import SEQUENCES

TEMPERATURE = 0.15
CONTRASTIVE_WEIGHT = 0.3


class StarterObjective(nn.Module):
    """The network with the small heads that are thrown away after training."""

    def __init__(self, vit: MultiModalViT):
        super().__init__()
        self.vit = vit
        dim = vit.shape.dim
        self.project = nn.ModuleList(nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 64)) for _ in range(2))
        self.regress = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, COMPONENTS)) for _ in range(2)
        )

    def forward(self, views: Tensor, kept: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """Return the losses.

        Args:
            views: (2B, 4, H, W); plane i and plane B + i are of one patient.
            kept: (2B, T) int64, the indices of the tokens shown.
            targets: (2B, COMPONENTS), the components of each clean plane's statistics.
        """
        tokens = encode_kept(self.vit, views, kept)
        pooled = (tokens.cls, tokens.patches.mean(dim=1))
        contrast = sum(_info_nce(head(x)) for head, x in zip(self.project, pooled))
        regression = sum(F.smooth_l1_loss(head(x).float(), targets) for head, x in zip(self.regress, pooled))
        return {"loss": regression + CONTRASTIVE_WEIGHT * contrast / 2, "contrast": contrast, "regression": regression}


def encode_kept(vit: MultiModalViT, views: Tensor, kept: Tensor) -> Tokens:
    """Encode only the tokens ``kept`` (B, T) of ``views`` (B, 4, H, W): what is hidden costs nothing."""
    assert isinstance(vit.patch_embed, ConvPatchEmbed)
    batch, sequences, height, width = views.shape
    side = vit.shape.patch
    patches = cut_patches(views.flatten(0, 1), side).reshape(batch, -1, side, side)
    shown = torch.gather(patches, 1, kept[:, :, None, None].expand(-1, -1, side, side))
    positions = interpolate_positions(vit.pos_embed, height // side, width // side)
    modality = F.normalize(vit.mri_seq_embed.weight, dim=-1)[:, None]
    places = (positions + modality).reshape(sequences * positions.shape[1], -1)
    tokens = vit.patch_embed.embed_patches(shown) + places[kept]
    cls = (vit.cls_token + vit.pos_embed[:, :1]).expand(batch, -1, -1)
    return vit.encode(torch.cat([cls, tokens], dim=1))


def draw_kept(generator: torch.Generator, batch: int, patches: int, keep: int) -> Tensor:
    """Draw which ``keep`` tokens each image shows: 0–2 whole sequences are hidden, of the rest a random part is shown."""
    sequences = len(SEQUENCES)
    hidden = torch.randint(0, 3, (batch, 1), generator=generator)
    rank = torch.rand(batch, sequences, generator=generator).argsort(1).argsort(1)
    score = torch.rand(batch, sequences, patches, generator=generator) + 2.0 * (rank < hidden)[:, :, None]
    return score.flatten(1).argsort(1)[:, :keep]


def _info_nce(projected: Tensor) -> Tensor:
    """InfoNCE over 2B projections, whose partners lie B apart."""
    unit = F.normalize(projected.float(), dim=-1)
    similarity = unit @ unit.T / TEMPERATURE
    similarity = similarity.masked_fill(torch.eye(len(unit), dtype=torch.bool), -torch.inf)
    partner = torch.arange(len(unit)).roll(len(unit) // 2)
    return F.cross_entropy(similarity, partner)
