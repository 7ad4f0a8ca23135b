"""Patients who lack sequences at random: made from the predictions under the 15 sets, nobody is asked again."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from mmdino.evaluation.predictions import Answers
from mmdino.evaluation.subsets import SUBSETS
from mmdino.files import stable_hash
from mmdino.tables import SEQUENCES, sequence_set

RATES = (0.0, 0.15, 0.3, 0.45, 0.6, 0.75)
DRAWS = 5  # over which a run's MCC is averaged
SETS = tuple(sequence_set(names) for names in SUBSETS)


def randomly_missing(answers: Mapping[str, Answers], rate: float) -> list[Answers]:
    """Return ``DRAWS`` mixtures: each patient lacks each sequence with probability ``rate``.

    Who would lack all keeps one. The draws depend on the patient alone, and what is missing at a rate is missing at
    every higher one, so that arms and rates are compared on the same losses.

    Args:
        answers: of one run, by set of sequences; all 15, about the same patients.
        rate: in 0…1.
    """
    first = answers[SETS[0]]
    stacked = np.stack([answers[name].probabilities for name in SETS])
    rows = np.arange(len(first))
    mixtures = []
    for draw in range(DRAWS):
        sets = _sets(tuple(first.subjects), rate, draw)
        mixtures.append(replace(first, probabilities=stacked[sets, rows]))
    return mixtures


@lru_cache(maxsize=64)
def _sets(subjects: tuple[str, ...], rate: float, draw: int) -> NDArray[np.int64]:
    """Return (N,) the place in ``SETS`` of what each patient has."""
    chances = _chances(subjects, draw)
    kept = (chances >= rate) | (chances == chances.max(axis=1, keepdims=True))
    places = {tuple(name in names for name in SEQUENCES): place for place, names in enumerate(SUBSETS)}
    return np.array([places[tuple(row)] for row in kept.tolist()], np.int64)


@lru_cache(maxsize=16)  # the same at every rate
def _chances(subjects: tuple[str, ...], draw: int) -> NDArray[np.float64]:
    """Return (N, 4), to be read only: the rate from which on each patient lacks each sequence."""
    numbers = [np.random.default_rng(stable_hash("missing", draw, name)).random(len(SEQUENCES)) for name in subjects]
    return np.array(numbers).reshape(-1, len(SEQUENCES))
