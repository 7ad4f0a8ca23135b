"""Which arms a figure shows that has no room for all of them, and what its caption says about it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import MainRow
from mmdino.reporting.statistics import Statistics

ROWS, CURVES = 24, 8  # arms that can be told apart in a figure: a line or a panel each; as curves upon each other
DIFFERENCES = 80  # lines of a figure that is all lines, and may be long


class Row(Protocol):
    """What is drawn of an arm."""

    @property
    def arm(self) -> str:
        """Return the experiment's name."""


AnyRow = TypeVar("AnyRow", bound=Row)


@dataclass(frozen=True)
class Few:
    """The arms that a figure has room for; ``said`` is what its caption says where there are more."""

    arms: frozenset[str]
    said: str

    def of(self, rows: Iterable[AnyRow]) -> list[AnyRow]:
        """Return the rows of these arms."""
        return [row for row in rows if row.arm in self.arms]


def first_few(data: StudyFiles, found: Statistics, arms: Iterable[str], most: int) -> Few:
    """Return the reference, the study's default arms, then the best; ablations last, of which many are nearly the same."""
    mcc = {row.arm: row.mcc.value for row in [*found.main, *found.ablations] if row.mcc}
    reference, default, ablations = data.study.study.reference, data.study.default, {row.arm for row in found.ablations}
    ranked = sorted(arms, key=lambda arm: (arm != reference, arm not in default, arm in ablations, -mcc.get(arm, -2.0)))
    return _cut(
        ranked, most, "the reference, the study's default arms, then those with the highest MCC, ablations last"
    )


def most_different(rows: Iterable[MainRow]) -> Few:
    """Return the arms whose difference to the reference is largest, to either side."""
    sizes = {row.arm: abs(row.difference.value) for row in rows if row.difference}
    ranked = sorted(sizes, key=lambda arm: -sizes[arm])
    return _cut(ranked, DIFFERENCES, "those that differ most from the reference")


def _cut(ranked: Sequence[str], most: int, which: str) -> Few:
    if len(ranked) <= most:
        return Few(frozenset(ranked), "")
    said = f" Of {len(ranked):,} arms {most} are drawn: {which}; the tables have all."
    return Few(frozenset(ranked[:most]), said)
