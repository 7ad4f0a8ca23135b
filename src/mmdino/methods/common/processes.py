"""Several processes that train one network: each looks at its share of a batch, and all compute the whole batch's losses.

What the losses read (scores, CLS features, labels: small) is gathered, so that centring, Sinkhorn–Knopp, KoLeo and every
mean are those of the whole batch. Each process derives them with respect to its own part; the gradients' *sum* is the
whole batch's gradient. Without ``torch.distributed`` all of this does nothing.
"""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mmdino.errors import UserError


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return which of them this is; 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def share(count: int) -> slice:
    """Return this process's part of a batch of ``count`` patients.

    Raises:
        UserError: they can't be shared out evenly.
    """
    if count % world_size():
        raise UserError(f"batch {count} cannot be shared by {world_size()} processes; make it a multiple of them")
    each = count // world_size()
    return slice(rank() * each, (rank() + 1) * each)


def gather(x: Tensor, dim: int = 0) -> Tensor:
    """Return all processes' tensors joined along ``dim``, along which they may differ in length.

    A gradient flows into this process's own part only.
    """
    if world_size() == 1:
        return x
    own = x.transpose(0, dim).contiguous()
    lengths = [torch.zeros(1, dtype=torch.int64, device=x.device) for _ in range(world_size())]
    dist.all_gather(lengths, torch.tensor([len(own)], device=x.device))
    longest = max(int(length) for length in lengths)
    padded = torch.cat([own.detach(), own.new_zeros(longest - len(own), *own.shape[1:])])
    parts = [torch.empty_like(padded) for _ in range(world_size())]
    dist.all_gather(parts, padded)
    joined = [part[: int(length)] for part, length in zip(parts, lengths)]
    joined[rank()] = own
    return torch.cat(joined).transpose(0, dim)


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its sum over all processes.

    By hand and not by ``DistributedDataParallel``, whose set of learning parameters is fixed, where ours freeze and thaw.
    """
    if world_size() > 1:
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        for work in [dist.all_reduce(gradient, async_op=True) for gradient in gradients]:
            work.wait()


def wait_for_all() -> None:
    """Wait until every process has come here."""
    if world_size() > 1:
        dist.barrier()


def anywhere(flag: bool, device: torch.device) -> bool:
    """Return whether ``flag`` is true in any process."""
    if world_size() == 1:
        return flag
    found = torch.tensor([flag], dtype=torch.int32, device=device)
    dist.all_reduce(found, op=dist.ReduceOp.MAX)
    return bool(found)
