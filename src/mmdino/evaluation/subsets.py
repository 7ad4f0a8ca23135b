"""The 15 non-empty sets of sequences under which every arm is asked."""

from itertools import combinations

from mmdino.tables import SEQUENCES, sequence_set

SUBSETS: tuple[tuple[str, ...], ...] = tuple(
    names for size in range(len(SEQUENCES), 0, -1) for names in combinations(SEQUENCES, size)
)
ALL = sequence_set(SEQUENCES)


def without(missing: str) -> str:
    """Return the text of the set that lacks one sequence."""
    return sequence_set(name for name in SEQUENCES if name != missing)
