"""Arms that give the same answers: one took over the other's weights, or draws nothing at random. They count once."""

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np

from mmdino.evaluation.compare import Run
from mmdino.evaluation.predictions import Answers
from mmdino.reporting.data import Arm


def same_answers(ours: Sequence[Answers], theirs: Sequence[Answers]) -> bool:
    """Return whether both sides say the same about the same patients, seed by seed."""
    return len(ours) == len(theirs) and all(
        np.array_equal(one.probabilities, other.probabilities)  # first, since it is what differs as a rule
        and np.array_equal(one.truth, other.truth)
        and np.array_equal(one.subjects, other.subjects)
        for one, other in zip(ours, theirs)
    )


def copies(arms: Sequence[Arm], answering: Callable[[Arm], list[Run]]) -> dict[str, str]:
    """Return the arms whose answers are those of an arm before them, each with the first of which they are."""
    first: list[tuple[str, list[Answers]]] = []
    found = {}
    for arm in arms:
        ours = list(chain.from_iterable(answering(arm)))
        same = (name for name, theirs in first if same_answers(ours, theirs))
        if of := next(same, None) if ours else None:
            found[arm.name] = of
        else:
            first.append((arm.name, ours))
    return found
