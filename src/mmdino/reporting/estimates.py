"""The figures of the report, each computed from predictions alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmdino.evaluation.compare import Difference, Estimate, Run, arm_mcc, arm_metrics, holm, paired_difference
from mmdino.evaluation.metrics import confusion
from mmdino.evaluation.predictions import Answers, Place, select
from mmdino.evaluation.random_missing import RATES, SETS, randomly_missing
from mmdino.evaluation.subsets import ALL, SUBSETS, without
from mmdino.reporting.data import Arm, StudyFiles
from mmdino.reporting.same import copies
from mmdino.tables import CLASSES, SEQUENCES, sequence_set

ONE_MISSING = {name: without(name) for name in SEQUENCES}


@dataclass(frozen=True)
class MainRow:
    """An arm on the external test with all sequences: every metric that can be computed, and against the reference.

    Attributes:
        arm: the experiment's name.
        metrics: by their names.
        difference: its MCC minus the reference's; None where there is none, or where ``same_as`` names an arm.
        same_as: the arm that gives the same answers: the reference, or one before it in the table; "": none does.
        one_missing: MCC minus the reference's with one sequence missing (the mean over the four cases, ``transfer``), in
            which arms of the same answers with all four may differ.
    """

    arm: str
    metrics: dict[str, Estimate]
    difference: Difference | None
    same_as: str
    one_missing: Difference | None = None

    @property
    def mcc(self) -> Estimate | None:
        """Return its MCC, None where there is none."""
        return self.metrics.get("mcc")


@dataclass(frozen=True)
class ReadoutRow:
    """MCC of one of an arm's read-outs, on validation and on the external test."""

    arm: str
    readout: str
    val: Estimate | None
    test: Estimate | None


@dataclass(frozen=True)
class Cell:
    """MCC of an arm under one set of sequences and one protocol."""

    arm: str
    sequences: str
    protocol: str
    mcc: Estimate


@dataclass(frozen=True)
class CountCell:
    """MCC of an arm under one protocol, averaged over all sets of ``count`` sequences."""

    arm: str
    protocol: str
    count: int
    mcc: Estimate


@dataclass(frozen=True)
class RandomCell:
    """MCC of an arm whose patients lack each sequence with probability ``rate``."""

    arm: str
    protocol: str
    rate: float
    mcc: Estimate


def main_rows(data: StudyFiles, arms: Sequence[Arm]) -> list[MainRow]:
    """Return a row an arm; the differences to the reference are corrected for their number by Holm's method.

    An arm that gives the answers of another one is no comparison of its own, and is not counted as one.
    """
    reference = [data.reference] if data.reference else []
    same = copies([*reference, *(arm for arm in arms if arm is not data.reference)], whole)
    rows = [_main_row(data, arm, same.get(arm.name, "")) for arm in arms]
    compared = [row for row in rows if row.difference]
    corrected = dict(zip((row.arm for row in compared), holm(row.difference.p for row in compared if row.difference)))
    return [
        replace(row, difference=replace(row.difference, p_holm=corrected[row.arm])) if row.difference else row
        for row in rows
    ]


def _main_row(data: StudyFiles, arm: Arm, same_as: str) -> MainRow:
    runs = whole(arm)
    metrics = arm_metrics(runs, data.replicates)
    if not metrics:  # a class has no patient
        mcc = arm_mcc(runs, data.replicates)
        metrics = {"mcc": mcc} if mcc else {}
    if data.reference is None or arm is data.reference:
        return MainRow(arm.name, metrics, None, same_as)
    difference = None if same_as else paired_difference(runs, whole(data.reference), data.replicates)
    lacking = paired_difference(one_missing(arm), one_missing(data.reference), data.replicates)
    return MainRow(arm.name, metrics, difference, same_as, lacking)


def whole(arm: Arm) -> list[Run]:
    """Return an arm's runs on the external test with all four sequences."""
    return [[answers] for answers in arm.answers("test")]


def one_missing(arm: Arm, split: str = "test") -> list[Run]:
    """Return an arm's runs, each under the four sets that lack one sequence (``transfer``)."""
    names = [Place(split, sequences, "transfer", arm.experiment.readout) for sequences in ONE_MISSING.values()]
    return [[run.answers[name] for name in names] for run in arm.done if all(name in run.answers for name in names)]


def clinical(arm: Arm) -> list[Run]:
    """Return an arm's runs in the cases that a clinic meets: with all four sequences, then with one missing."""
    return [*whole(arm), *one_missing(arm)]


def readout_rows(data: StudyFiles, arms: Sequence[Arm]) -> list[ReadoutRow]:
    """Return a row for each read-out of each arm that has been predicted."""
    rows = []
    for arm in arms:
        readouts = {place.readout for run in arm.done for place in run.answers}
        for readout in sorted(readouts, key=("cls", "patch", "head").index):
            found = []
            for split in ("val", "test"):
                answers = [select(run.answers, split, readout) for run in arm.done]
                found.append(arm_mcc([[one] for one in answers if one is not None and len(one)], data.replicates))
            rows.append(ReadoutRow(arm.name, readout, *found))
    return rows


def counted(run: Answers) -> NDArray[np.int64]:
    """Return a run's confusion counts (3, 3), rows true."""
    return confusion(run.truth, run.predicted, len(CLASSES))


def missing_cells(data: StudyFiles, arms: Sequence[Arm]) -> list[Cell]:
    """Return MCC on the external test by arm, set of sequences and protocol, where there are predictions."""
    cells = []
    for arm in arms:
        for protocol in data.study.study.evaluation.protocols:
            for names in SUBSETS:
                sequences = sequence_set(names)
                runs = [[answers] for answers in arm.answers("test", sequences, protocol)]
                estimate = arm_mcc(runs, data.replicates)
                if estimate is not None:
                    cells.append(Cell(arm.name, sequences, protocol, estimate))
    return cells


def count_cells(data: StudyFiles, arms: Sequence[Arm]) -> list[CountCell]:
    """Return MCC on the external test by arm, protocol and number of sequences, the mean over their sets."""
    cells = []
    for arm in arms:
        for protocol in data.study.study.evaluation.protocols:
            for count in range(1, len(SEQUENCES) + 1):
                sets = [sequence_set(names) for names in SUBSETS if len(names) == count]
                places = [Place("test", names, protocol, arm.experiment.readout) for names in sets]
                answered = [run.answers for run in arm.done if all(place in run.answers for place in places)]
                estimate = arm_mcc([[answers[place] for place in places] for answers in answered], data.replicates)
                if estimate is not None:
                    cells.append(CountCell(arm.name, protocol, count, estimate))
    return cells


def random_cells(data: StudyFiles, arms: Sequence[Arm]) -> list[RandomCell]:
    """Return MCC on the external test by arm, protocol and rate of missing sequences."""
    cells = []
    for arm in arms:
        for protocol in data.study.study.evaluation.protocols:
            places = {name: Place("test", name, protocol, arm.experiment.readout) for name in SETS}
            answered = [run.answers for run in arm.done if all(place in run.answers for place in places.values())]
            by_set = [{name: answers[place] for name, place in places.items()} for answers in answered]
            for rate in RATES:
                estimate = arm_mcc([randomly_missing(answers, rate) for answers in by_set], data.replicates)
                if estimate is not None:
                    cells.append(RandomCell(arm.name, protocol, rate, estimate))
    return cells


def true_labels(data: StudyFiles) -> NDArray[np.int64]:
    """Return the labels of the external test as the first finished arm met them, or none."""
    answers = (runs[0].truth for arm in data.arms if not arm.elsewhere and (runs := arm.answers("test")))
    return next(answers, np.zeros(0, np.int64))


def ceiling(data: StudyFiles, sequences: str = ALL) -> dict[str, float] | None:
    """Return the sign oracle's MCC (mcc, low, high, n): what the signs themselves allow, in a phantom study."""
    return data.oracle.get("test", {}).get(sequences)


def majority(data: StudyFiles) -> tuple[str, dict[str, float]] | None:
    """Return the class that is most frequent in training, and the scores of always naming it."""
    truth = true_labels(data)
    if not len(truth) or len(np.unique(truth)) < len(CLASSES):
        return None
    train = data.splits[(data.splits["split"] == "train") & data.splits["labelled"].astype(bool)]
    named = CLASSES.index(train["label"].mode()[0]) if len(train) else int(np.bincount(truth).argmax())
    share = float((truth == named).mean())  # precision of naming it always; its sensitivity is 1
    f1 = 2 * share / (1 + share) / len(CLASSES)
    return CLASSES[named], {"mcc": 0.0, "balanced_accuracy": 1 / len(CLASSES), "auroc": 0.5, "f1": f1}
