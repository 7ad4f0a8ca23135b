"""Two pieces of work timed in turn, in one process: the ratio holds on a shared machine where the seconds do not."""

import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One line of the table: CPU seconds of both (medians), and their ratio with its range over the rounds."""

    name: str
    what: str
    reference: str
    ours: float
    theirs: float
    ratio: float
    low: float
    high: float
    goal: str
    met: bool

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def compare(
    name: str,
    what: str,
    reference: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    goal: tuple[str, float],
    rounds: int = 5,
    scale: tuple[float, float] = (1.0, 1.0),
) -> Row:
    """Time both ``rounds`` times in turn, after one call each that is not counted.

    Args:
        name: as in docs/benchmarks.md (P1 …).
        what: our work.
        reference: what it replaces.
        ours: does it.
        theirs: does the reference.
        goal: ``≥`` (reference / ours) or ``≤`` (ours / reference), and the ratio to reach.
        rounds: how often.
        scale: what one call's seconds are divided by (its samples).
    """
    ours(), theirs()
    pairs = np.array([(seconds(ours) / scale[0], seconds(theirs) / scale[1]) for _ in range(rounds)])
    sign, wanted = goal
    ratios = pairs[:, 1] / pairs[:, 0] if sign == "≥" else pairs[:, 0] / pairs[:, 1]
    ratio = float(np.median(ratios))
    met = ratio >= wanted if sign == "≥" else ratio <= wanted
    mine, other = np.median(pairs, axis=0)
    return Row(
        name,
        what,
        reference,
        float(mine),
        float(other),
        ratio,
        float(ratios.min()),
        float(ratios.max()),
        f"{sign} {wanted:g}×",
        bool(met),
    )


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds of this process and of the children that it waited for."""
    before = _spent()
    work()
    return _spent() - before


def _spent() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
