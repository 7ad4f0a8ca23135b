"""The figures of the report, each computed from predictions alone."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdino.evaluation.compare import Estimate, arm_mcc, paired_difference
from mmdino.evaluation.metrics import balanced_accuracy, confusion, macro_auroc, macro_f1
from mmdino.evaluation.predictions import Answers
from mmdino.evaluation.subsets import ALL, SUBSETS, without
from mmdino.reporting.data import Arm, StudyFiles
from mmdino.tables import CLASSES, SEQUENCES, sequence_set

ONE_MISSING = {name: without(name) for name in SEQUENCES}


@dataclass(frozen=True)
class MainRow:
    """An arm's line of the main table (external test, all sequences); what cannot be computed is None."""

    arm: Arm
    mcc: Estimate | None
    balanced_accuracy: float | None
    auroc: float | None
    f1: float | None
    difference: Estimate | None  # to the reference arm
    cpu_seconds: float | None


@dataclass(frozen=True)
class Cell:
    """MCC of an arm under one set of sequences and one protocol."""

    arm: Arm
    sequences: str
    protocol: str
    mcc: Estimate


def main_rows(data: StudyFiles) -> list[MainRow]:
    """Return a row an arm, in the study's order."""
    return [_main_row(data, arm) for arm in data.arms]


def _main_row(data: StudyFiles, arm: Arm) -> MainRow:
    runs = arm.answers("test")
    difference = None
    if data.reference is not None and arm is not data.reference:
        difference = paired_difference(runs, data.reference.answers("test"), data.replicates)
    seconds = [run.record["cpu_seconds"] for run in arm.runs if "cpu_seconds" in run.record]
    means = _means(runs)
    return MainRow(
        arm, arm_mcc(runs, data.replicates), *means, difference, float(np.mean(seconds)) if seconds else None
    )


def _means(runs: list[Answers]) -> tuple[float | None, float | None, float | None]:
    """Return balanced accuracy, AUROC and F1, means over runs; None where a class has no patient."""
    if not runs or any(len(np.unique(run.truth)) < len(CLASSES) for run in runs):
        return None, None, None
    counts = np.array([counted(run) for run in runs])
    areas = [macro_auroc(run.truth, run.probabilities) for run in runs]
    return float(balanced_accuracy(counts).mean()), float(np.mean(areas)), float(macro_f1(counts).mean())


def counted(run: Answers) -> NDArray[np.int64]:
    """Return a run's confusion counts (3, 3), rows true."""
    return confusion(run.truth, run.predicted, len(CLASSES))


def missing_cells(data: StudyFiles) -> list[Cell]:
    """Return MCC on the external test by arm, set of sequences and protocol, where there are predictions."""
    cells = []
    for arm in data.arms:
        for protocol in data.study.study.evaluation.protocols:
            for names in SUBSETS:
                sequences = sequence_set(names)
                estimate = arm_mcc(arm.answers("test", sequences, protocol), data.replicates)
                if estimate is not None:
                    cells.append(Cell(arm, sequences, protocol, estimate))
    return cells


def one_missing(arm: Arm, split: str = "test") -> list[Answers]:
    """Return the answers of every run under each of the four sets that lack one sequence (``transfer``)."""
    return [answers for name in ONE_MISSING.values() for answers in arm.answers(split, name, "transfer")]


def true_labels(data: StudyFiles) -> NDArray[np.int64]:
    """Return the labels of the external test as the first finished arm met them, or none."""
    answers = (runs[0].truth for arm in data.arms if (runs := arm.answers("test")))
    return next(answers, np.zeros(0, np.int64))


def ceiling(data: StudyFiles, sequences: str = ALL, split: str = "test") -> dict[str, float] | None:
    """Return the sign oracle's MCC (mcc, low, high, n): what the signs themselves allow, in a phantom study."""
    return data.oracle.get(split, {}).get(sequences)


def majority(data: StudyFiles) -> tuple[str, dict[str, float]] | None:
    """Return the class that is most frequent in training, and the scores of always naming it."""
    truth = true_labels(data)
    if not len(truth) or len(np.unique(truth)) < len(CLASSES):
        return None
    train = data.splits[(data.splits["split"] == "train") & data.splits["labelled"].astype(bool)]
    named = CLASSES.index(train["label"].mode()[0]) if len(train) else int(np.bincount(truth).argmax())
    counts = confusion(truth, np.full(len(truth), named), len(CLASSES))
    scores = {"mcc": 0.0, "balanced_accuracy": 1 / len(CLASSES), "auroc": 0.5, "f1": float(macro_f1(counts))}
    return CLASSES[named], scores
