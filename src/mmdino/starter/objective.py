"""What the starter learns, all from images and tumour outlines, none of it from a class.

Two planes of one patient must find each other (InfoNCE); each plane must tell its clean statistics round the tumour; and
each token must tell what its patch looks like, clean, in all four sequences, and where the tumour is.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdino.models.embedding import ConvPatchEmbed, cut_patches, interpolate_positions
from mmdino.models.vit import MultiModalViT, Tokens
from mmdino.starter.planes import COMPONENTS
from mmdino.tables import SEQUENCES

TEMPERATURE = 0.15
CONTRASTIVE_WEIGHT = 0.3
REGRESSION_WEIGHT = 3.0
LOCAL = 11


class StarterObjective(nn.Module):
    """The network with the small heads that are thrown away after training."""

    def __init__(self, vit: MultiModalViT):
        super().__init__()
        self.vit = vit
        dim = vit.shape.dim
        self.project = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 64)) for _ in range(2)
        )
        self.local = nn.Linear(dim, LOCAL)
        self.regress = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, COMPONENTS)) for _ in range(2)
        )

    def forward(self, views: Tensor, kept: Tensor, targets: Tensor, local: Tensor) -> dict[str, Tensor]:
        """Return the losses.

        Args:
            views: (2B, 4, H, W); plane i and plane B + i are of one patient.
            kept: (2B, T) int64, the indices of the tokens shown.
            targets: (2B, COMPONENTS), the components of each clean plane's statistics.
            local: (2B, N, LOCAL), what each patch looks like (:func:`local_targets`).
        """
        tokens = encode_kept(self.vit, views, kept)
        pooled = (tokens.cls, tokens.patches.mean(dim=1))
        contrast = torch.stack([_info_nce(head(x)) for head, x in zip(self.project, pooled)]).sum()
        regression = torch.stack(
            [F.smooth_l1_loss(head(x).float(), targets) for head, x in zip(self.regress, pooled)]
        ).sum()
        places = (kept % local.shape[1])[:, :, None].expand(-1, -1, LOCAL)
        dense = F.smooth_l1_loss(self.local(tokens.patches).float(), torch.gather(local, 1, places))
        loss = REGRESSION_WEIGHT * regression + dense + CONTRASTIVE_WEIGHT * contrast / 2
        return {"loss": loss, "contrast": contrast, "regression": regression, "local": dense}


def local_targets(clean: Tensor, tumour: Tensor, side: int) -> Tensor:
    """Return (B, N, LOCAL): each patch's mean and spread in the four clean sequences, and tumour in three surrounds.

    Args:
        clean: (B, 4, H, W) in [0, 1].
        tumour: (B, 1, H, W) in [0, 1].
        side: of a patch.
    """
    mean = F.avg_pool2d(clean, side)
    spread = (F.avg_pool2d(clean**2, side) - mean**2).clamp_min(0).sqrt()
    here = F.avg_pool2d(tumour, side)
    around = [F.avg_pool2d(here, k, stride=1, padding=k // 2) for k in (3, 5)]
    parts = torch.cat([4 * mean - 2, 8 * spread - 1, 2 * here, *(3 * x for x in around)], dim=1)
    return parts.flatten(2).transpose(1, 2)


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
