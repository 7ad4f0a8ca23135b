"""What an encoder says about patients under many sets of sequences, each patient's slices read once."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from mmdino.dataset.bank import Slices
from mmdino.dataset.patients import Look, Patients
from mmdino.errors import UserError, first_line
from mmdino.methods.base import Encoder
from mmdino.tables import SEQUENCES, sequence_set
from mmdino.training.memory import ran_out

BATCH = 64
HEAD = "head"
Names = tuple[str, ...]


@dataclass(frozen=True)
class Seen:
    """What an encoder gives under one set of sequences.

    Attributes:
        rows: (N,) bool, the patients who have at least one of the sequences.
        values: by read-out, (rows.sum(), D) features; for ``head``, (rows.sum(), 3) class probabilities.
    """

    rows: NDArray[np.bool_]
    values: dict[str, NDArray]


def look(
    encoder: Encoder,
    patients: Patients,
    subjects: list[str],
    sets: Sequence[Names],
    with_head: bool,
    title: str,
    progress: bool = True,
) -> dict[Names, Seen]:
    """Return what ``encoder`` gives for the subjects' evaluation slices (the mean over those that each has), by set.

    All sets are asked about a slice of each patient before the next one is, so that an encoder can keep what they share.

    Raises:
        UserError: an answer is NaN or infinite, or memory does not hold a single patient.
    """
    found: dict[Names, list[tuple[NDArray, dict[str, NDArray]]]] = {names: [] for names in sets}
    console = Console(stderr=True)
    batches = range(0, len(subjects), BATCH)
    quiet = not (progress and console.is_terminal)
    for start in track(batches, title, console=console, disable=quiet, transient=True):
        for rows, looks in _alike(patients.looks(subjects[start : start + BATCH])):
            has = tuple(compress(SEQUENCES, looks[0].slices.present[0]))
            shown = {names: tuple(name for name in has if name in names) for names in sets}
            wanted = dict.fromkeys(filter(None, shown.values()))
            each = [{some: _answer(encoder, look.slices, some, with_head) for some in wanted} for look in looks]
            own = np.stack([look.own for look in looks])
            answers = {some: _mean([answered[some] for answered in each], own) for some in wanted}
            for names in sets:
                if shown[names]:
                    found[names].append((start + rows, answers[shown[names]]))
    return {names: _joined(parts, len(subjects)) for names, parts in found.items()}


def _alike(looks: list[Look]) -> Iterator[tuple[NDArray[np.intp], list[Look]]]:
    """Yield groups of patients who have the same sequences, with their rows."""
    patterns, which = np.unique(looks[0].slices.present, axis=0, return_inverse=True)
    for number in range(len(patterns)):
        rows = np.flatnonzero(which.ravel() == number)
        yield rows, [look.take(rows) for look in looks]


def _mean(answers: list[dict[str, NDArray]], own: NDArray[np.bool_]) -> dict[str, NDArray]:
    """Return each patient's mean over the looks that are the patient's own (``own``: (looks, N))."""
    if len(answers) == 1:
        return answers[0]
    shares = (own / own.sum(axis=0))[:, :, None]
    return {readout: (np.stack([answer[readout] for answer in answers]) * shares).sum(axis=0) for readout in answers[0]}


def _answer(encoder: Encoder, slices: Slices, shown: Names, with_head: bool) -> dict[str, NDArray]:
    """Return what the encoder says about all these patients at once, or by halves where memory does not hold them."""
    try:
        return _asked(encoder, slices, shown, with_head)
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        if len(slices) == 1:
            raise UserError(f"memory does not hold one patient ({first_line(error)}); ask for more of it") from None
        print(f"memory does not hold {len(slices)} patients ({first_line(error)}): by halves", file=sys.stderr)
    halves = np.array_split(np.arange(len(slices)), 2)
    parts = [_answer(encoder, slices.take(rows), shown, with_head) for rows in halves]
    return {readout: np.concatenate([part[readout] for part in parts]) for readout in parts[0]}


def _asked(encoder: Encoder, slices: Slices, shown: Names, with_head: bool) -> dict[str, NDArray]:
    answers = dict(encoder.features(slices, shown))
    own = encoder.probabilities(slices, shown) if with_head else None
    if own is not None:
        own = np.asarray(own, np.float64)
        answers[HEAD] = own / own.sum(axis=1, keepdims=True)
    for readout, values in answers.items():
        if not np.isfinite(values).all():
            raise UserError(
                f"read-out '{readout}' under {sequence_set(shown)} is NaN or infinite: the weights are broken or "
                "training has diverged; look at log.jsonl and train again"
            )
    return answers


def _joined(parts: list[tuple[NDArray, dict[str, NDArray]]], patients: int) -> Seen:
    """Return the parts as one, in the patients' order."""
    if not parts:
        return Seen(np.zeros(patients, bool), {})
    place = np.concatenate([rows for rows, _ in parts])
    order = np.argsort(place)
    values = {key: np.concatenate([answers[key] for _, answers in parts])[order] for key in parts[0][1]}
    return Seen(np.isin(np.arange(patients), place), values)
