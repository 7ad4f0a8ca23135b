"""AdamW in groups: each parameter's own share of the learning rate and of the weight decay."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mmdino.dataset.patients import Patients
from mmdino.errors import UserError
from mmdino.tables import CLASSES


def multipliers(name: str, depth: int, layer_decay: float, patch_embed: float) -> tuple[float, float]:
    """Return a parameter's multipliers of learning rate and weight decay by its name.

    Block i of ``depth`` learns with ``layer_decay ** (depth - i)``, what comes before the blocks with one power more
    (the patch embedding ``patch_embed`` times that), and the final norm, modality embedding and heads with 1.
    Biases, norms and LayerScale do not decay. Source: DINOv2, `dinov2/utils/param_groups.py`. It goes by a ViT's names:
    of a CNN the scales of norms that are called otherwise (`bn1`, `downsample.1` of ResNets) do decay, as in its results.
    """
    block = re.search(r"\bblocks\.(\d+)\.", name)
    if block:
        rate = layer_decay ** (depth - int(block[1]))
    elif re.search(r"\b(cls_token|pos_embed|mask_token|register_tokens|patch_embed)\b", name):
        rate = layer_decay ** (depth + 1) * (patch_embed if "patch_embed" in name else 1.0)
    else:
        rate = 1.0
    decay = 0.0 if name.endswith("bias") or "norm" in name or "gamma" in name else 1.0
    return rate, decay


def adamw(
    parameters: Iterable[tuple[str, nn.Parameter]], depth: int, layer_decay: float = 1.0, patch_embed: float = 1.0
) -> torch.optim.AdamW:
    """Return AdamW (.9, .999) over named parameters, one group for each pair of multipliers; see ``set_rates``.

    A parameter whose rate is multiplied by 0 is left out, and its gradient is never computed.
    """
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in parameters:
        rate, decay = multipliers(name, depth, layer_decay, patch_embed)
        parameter.requires_grad_(rate > 0)
        if rate > 0:
            groups[rate, decay, "last_layer" in name].append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "lr_multiplier": rate, "wd_multiplier": decay, "is_last_layer": last}
            for (rate, decay, last), members in groups.items()
        ],
        lr=0.0,
        betas=(0.9, 0.999),
        fused=torch.cuda.is_available(),  # one kernel for all parameters
    )


def set_rates(
    optimizer: torch.optim.Optimizer, lr: float, weight_decay: float, last_layer_lr: float | None = None
) -> None:
    """Set each group's learning rate and weight decay, multiplied by its own multipliers."""
    for group in optimizer.param_groups:
        rate = lr if last_layer_lr is None or not group["is_last_layer"] else last_layer_lr
        group["lr"] = rate * group["lr_multiplier"]
        group["weight_decay"] = weight_decay * group["wd_multiplier"]


def learning_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of a module that :func:`adamw` was given, to be switched off and on again."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def clip(modules: Iterable[nn.Module], limit: float) -> list[Tensor]:
    """Clip each module's gradient norm on its own; return the norms before it."""
    return [torch.nn.utils.clip_grad_norm_(module.parameters(), limit) for module in modules]


def batch_class_weights(labels: Tensor, classes: int) -> Tensor:
    """Return log(n / count) per class (C,) of labels in 0…C-1, −1 left out; a class without any counts 1e-6.

    The released code counts in the batch (``class_weight: batch``): an absent class weighs log(n / 1e-6), and in a
    one-class batch label smoothing then outweighs the truth. We count in the training set (``class_weight: train``).
    """
    known = labels[labels >= 0]
    return torch.log(len(known) / (torch.bincount(known, minlength=classes).float() + 1e-6))


def training_class_weights(patients: Patients, subjects: Sequence[str]) -> Tensor:
    """Return log(n / count) of each class (C,) among the labelled of ``subjects``.

    Raises:
        UserError: a class has no labelled training patient.
    """
    labels = patients.targets(list(subjects))
    counts = np.bincount(labels[labels >= 0], minlength=len(CLASSES))
    if not counts.any():
        return torch.ones(len(CLASSES))  # nothing is labelled: the supervised term is 0
    if not counts.all():
        absent = ", ".join(name for name, count in zip(CLASSES, counts) if not count)
        raise UserError(
            f"no labelled training patient is of class {absent}; "
            "widen the training split, or raise splits.labelled_fraction"
        )
    return torch.from_numpy(np.log(counts.sum() / counts)).float()
