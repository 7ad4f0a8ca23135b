"""Where the numerical fixtures lie, and one test for each file of a kind."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mmdino.tables import SEQUENCES

FOLDER = Path(os.environ.get("MMDINO_FIXTURES", Path(__file__).parents[2].parent / "shared" / "fixtures"))
PAPERS_ORDER = ("t2", "t1", "t1c", "flair")


def each(*patterns: str) -> Callable:
    """Run a test of ``path`` for every file of the given kinds.

    Without the folder the test is skipped, saying so; in a folder without such files there is nothing to test.
    """
    found = sorted({path for pattern in patterns for path in FOLDER.glob(pattern)})
    if not FOLDER.is_dir():
        reason = f"{FOLDER} is not here; set MMDINO_FIXTURES to the folder of the numerical fixtures"
        found = [pytest.param(Path(patterns[0]), marks=pytest.mark.skip(reason=reason))]

    def decorate(test: Callable) -> Callable:
        test.__test__ = bool(found)  # type: ignore[attr-defined]
        return pytest.mark.parametrize("path", found, ids=lambda path: path.stem)(test)

    return decorate


def sequences_of(path: Path, data: np.lib.npyio.NpzFile, channels: int) -> tuple[str, ...]:
    """Return the sequences of a file in their order: as it says, or its name, else the first of the paper's order."""
    if "mri_sequences" in data:
        return tuple(str(name) for name in data["mri_sequences"])
    if "seq_idx_map" in data:
        return tuple(SEQUENCES[number] for number in data["seq_idx_map"])
    named = re.search(r"_((?:t1c|t1|t2|flair)(?:-(?:t1c|t1|t2|flair))*)$", path.stem)
    return tuple(named[1].split("-")) if named else PAPERS_ORDER[:channels]


def heads_of(data: np.lib.npyio.NpzFile, dim: int, error: Callable[[int], float]) -> int:
    """Return the number of attention heads: as the file says, else the one whose ``error`` is least.

    No tensor tells it, and with another number the same tensors compute something else altogether.
    """
    if "heads" in data:
        return int(data["heads"])
    return min((heads for heads in range(1, dim // 8 + 1) if dim % heads == 0), key=error)
