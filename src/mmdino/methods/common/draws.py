"""Who makes up a batch, and the random stream of each: functions of the seed and a counter, never of a state."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mmdino.dataset.patients import Patients
from mmdino.errors import UserError
from mmdino.files import stable_hash


def stream(*key: object) -> np.random.Generator:
    """Return the random stream that belongs to ``key``, the same in every process."""
    return np.random.Generator(np.random.Philox(key=stable_hash(*key)))


@dataclass(frozen=True)
class Drawn:
    """A patient's turn: the ``epoch``-th time that this patient is drawn."""

    subject: str
    epoch: int


class Order:
    """Patients in an endless order in which each comes once an epoch, shuffled anew in every epoch."""

    def __init__(self, subjects: Sequence[str], *key: object):
        self.subjects = list(subjects)
        self._shuffled = lru_cache(2)(lambda epoch: stream(*key, epoch).permutation(len(self.subjects)))

    def take(self, start: int, count: int) -> list[Drawn]:
        """Return ``count`` turns from position ``start`` on."""
        turns = [divmod(position, len(self.subjects)) for position in range(start, start + count)]
        return [Drawn(self.subjects[self._shuffled(epoch)[place]], epoch) for epoch, place in turns]


class Sampler:
    """The patients of each step.

    Args:
        patients: whose training split is drawn from.
        seed: of the run.
        batch: patients a step.
        labelled_share: of each batch that is labelled, the rest being unlabelled; None: as they come.
        labelled_only: leave unlabelled patients out (supervised training).

    Attributes:
        first: the step at which the order begins; moved only by a resume as the released code does it.

    Raises:
        UserError: there is nobody to draw.
    """

    def __init__(
        self,
        patients: Patients,
        seed: int,
        batch: int,
        labelled_share: float | None = None,
        labelled_only: bool = False,
    ):
        labelled, unlabelled = (patients.select("train", labelled=which) for which in (True, False))
        if not labelled and (labelled_only or labelled_share):
            raise UserError("there is no labelled training patient with slices; check `labelled` in splits.tsv")
        if not labelled and not unlabelled:
            raise UserError(
                "there is no training patient with slices; check splits.tsv and the slice bank's failures.tsv"
            )
        if labelled_only or (labelled_share is not None and not unlabelled):
            parts = [(labelled, batch)]
        elif labelled_share is None:
            parts = [(sorted(labelled + unlabelled), batch)]
        else:
            first = round(batch * labelled_share)
            parts = [(labelled, first), (unlabelled, batch - first)]
        self.batch, self.first = batch, 0
        self._parts = [
            (Order(subjects, seed, "order", number), count) for number, (subjects, count) in enumerate(parts) if count
        ]

    def __call__(self, step: int) -> list[Drawn]:
        """Return the turns of one step."""
        return [turn for order, count in self._parts for turn in order.take((step - self.first) * count, count)]

    @property
    def subjects(self) -> list[str]:
        """Everybody who may be drawn."""
        return sorted(subject for order, _ in self._parts for subject in order.subjects)
