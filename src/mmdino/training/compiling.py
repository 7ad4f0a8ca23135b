"""Compiling the transformer's blocks, where this machine can."""

import sys

import torch
from torch import nn

from mmdino.errors import first_line
from mmdino.models.layers import Block


def compile_blocks(network: nn.Module, device: torch.device) -> bool:
    """Compile every block in place (parameters keep their names); where that doesn't work, say why and leave them."""
    try:
        probe = torch.compile(lambda x: x * 2 + 1)
        probe(torch.ones(2, device=device))
    except Exception as error:  # no C++ compiler, no Triton, an unknown GPU: whatever it is, training can do without
        print(f"compile: torch.compile does not work here ({first_line(error)}); going on without", file=sys.stderr)
        return False
    for module in network.modules():
        if isinstance(module, Block):
            module.compile()
    return True
