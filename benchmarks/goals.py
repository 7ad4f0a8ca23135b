"""What is asked of our seconds beside those of what we replace, and the row that tells what came of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Goal:
    """A limit of a measure.

    Attributes:
        sign: ``≥`` or ``≤``.
        wanted: the limit.
        unit: of the measure.
        guard: a generous limit, beyond which the tests fail; none where nothing is guarded.
        measure: of (our seconds, the reference's).
    """

    sign: str
    wanted: float
    unit: str
    guard: float | None
    measure: Callable[[np.ndarray, np.ndarray], np.ndarray]

    def holds(self, value: float, limit: float) -> bool:
        return value >= limit if self.sign == "≥" else value <= limit

    def __str__(self) -> str:
        return f"{self.sign} {self.wanted:g}{self.unit}"


def times_faster(least: float, guard: float | None = None) -> Goal:
    return Goal("≥", least, "×", guard, lambda ours, theirs: theirs / ours)


def times_as_long(most: float, guard: float | None = None) -> Goal:
    return Goal("≤", most, "×", guard, lambda ours, theirs: ours / theirs)


def seconds_over(most: float, guard: float | None = None) -> Goal:
    return Goal("≤", most, " s over it", guard, lambda ours, theirs: ours - theirs)


@dataclass(frozen=True)
class Row:
    """One line of the table: CPU seconds of both (medians), and their measure with its range over the rounds."""

    name: str
    what: str
    reference: str
    ours: float
    theirs: float
    value: float
    low: float
    high: float
    goal: str
    met: bool

    def line(self) -> str:
        """Return the row as Markdown."""
        return (
            f"| {self.name} | {self.what} | {self.ours:.4g} | {self.reference} | {self.theirs:.4g} "
            f"| {self.value:.3g} ({self.low:.3g}–{self.high:.3g}) | {self.goal} | {'yes' if self.met else '**no**'} |"
        )


HEAD = """| # | what | ours, s | reference | its s | measure (range) | goal | met |
|---|---|---|---|---|---|---|---|"""


def row(name: str, what: str, reference: str, goal: Goal, ours: np.ndarray, theirs: np.ndarray) -> Row:
    """Return the row of rounds timed in turn, (rounds,) seconds each."""
    values = goal.measure(ours, theirs)
    value = float(np.median(values))
    seconds = float(np.median(ours)), float(np.median(theirs))
    met = goal.holds(value, goal.wanted)
    return Row(name, what, reference, *seconds, value, float(values.min()), float(values.max()), str(goal), met)
