"""Where arms err: calibration, selective prediction, cohorts and sites, and the mistakes they are surest of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from mmdino.evaluation.calibration import Bin, fit_temperature, reliability, scaled
from mmdino.evaluation.compare import Estimate, arm_mcc, arm_metrics, shared
from mmdino.evaluation.predictions import Answers, select
from mmdino.evaluation.selective import RiskCoverage, risk_coverage
from mmdino.reporting.data import Arm, StudyFiles
from mmdino.tables import CLASSES

CALIBRATION = ("ece", "brier", "log_loss")
MISTAKES = 12  # an arm
FEWEST = 10  # patients of a group of whom a metric says anything


@dataclass(frozen=True)
class CalibrationRow:
    """An arm's calibration on the external test, as it is and after temperature scaling.

    Attributes:
        arm: the experiment's name.
        temperature: fitted on each run's validation patients; the mean over runs. None: a run has none.
        before: ``CALIBRATION`` metrics as answered.
        after: the same with each run's temperature, or empty.
        bins: reliability as answered.
        bins_after: with each run's temperature, or empty.
    """

    arm: str
    temperature: float | None
    before: dict[str, Estimate]
    after: dict[str, Estimate]
    bins: list[Bin]
    bins_after: list[Bin]


@dataclass(frozen=True)
class SelectiveRow:
    """An arm's risk–coverage curve on the external test."""

    arm: str
    curve: RiskCoverage


@dataclass(frozen=True)
class GroupRow:
    """An arm on the patients of one cohort, or of one site of it (``site`` is "" for the whole cohort).

    Attributes:
        arm: the experiment's name.
        split: ``val`` or ``test``.
        cohort, site: whose patients.
        n: labelled patients.
        classes: of them by class (3,).
        mcc: None where there are fewer than two classes or ``FEWEST`` patients.
        balanced_accuracy: None where a class has no patient, or as above.
    """

    arm: str
    split: str
    cohort: str
    site: str
    n: int
    classes: list[int]
    mcc: Estimate | None
    balanced_accuracy: Estimate | None


@dataclass(frozen=True)
class Mistake:
    """A patient of the external test whom an arm takes for another class, by the mean of its runs' probabilities.

    Attributes:
        arm: the experiment's name.
        subject: who.
        truth, predicted: classes.
        confidence: probability of ``predicted``.
        given: probability of ``truth``.
    """

    arm: str
    subject: str
    truth: str
    predicted: str
    confidence: float
    given: float


def calibration_rows(data: StudyFiles, arms: Sequence[Arm]) -> list[CalibrationRow]:
    """Return the calibration of each arm that has answers about all classes."""
    rows = [_calibration(data, arm) for arm in arms]
    return [row for row in rows if row]


def _calibration(data: StudyFiles, arm: Arm) -> CalibrationRow | None:
    test = arm.answers("test")
    before = _measured(test, data.replicates)
    if not before:
        return None
    fitted = [_temperature(answered) for answered in _validation(arm)]
    if len(fitted) < len(test) or None in fitted:
        return CalibrationRow(arm.name, None, before, {}, reliability(test), [])
    temperatures = [float(value) for value in fitted if value]
    after = [scaled(answers, value) for answers, value in zip(test, temperatures)]
    measured = _measured(after, data.replicates)
    mean = float(np.mean(temperatures))
    return CalibrationRow(arm.name, mean, before, measured, reliability(test), reliability(after))


def _validation(arm: Arm) -> list[Answers | None]:
    """Return the validation answers of the runs that have test answers, in the same order."""
    readout = arm.experiment.readout
    return [select(run.answers, "val", readout) for run in arm.done if select(run.answers, "test", readout)]


def _temperature(answers: Answers | None) -> float | None:
    return fit_temperature(answers) if answers is not None and len(answers) else None


def _measured(runs: Sequence[Answers], replicates: int) -> dict[str, Estimate]:
    return arm_metrics([[answers] for answers in runs], replicates, CALIBRATION)


def selective_rows(data: StudyFiles, arms: Sequence[Arm]) -> list[SelectiveRow]:
    """Return the risk–coverage curve of each arm that has answers about the external test."""
    answered = [(arm.name, arm.answers("test")) for arm in arms]
    return [SelectiveRow(name, risk_coverage(runs, data.replicates)) for name, runs in answered if runs]


def group_rows(data: StudyFiles, arms: Sequence[Arm]) -> list[GroupRow]:
    """Return each arm by split and cohort, and by site where a cohort has several."""
    places = data.splits.set_index("subject")[["cohort", "site"]] if len(data.splits) else None
    if places is None or places.index.has_duplicates:
        return []
    return [
        row
        for arm in arms
        for split in ("test", "val")
        if (runs := arm.answers(split))
        for row in _groups(data, arm.name, split, runs, places)
    ]


def _groups(data: StudyFiles, arm: str, split: str, runs: Sequence[Answers], places: pd.DataFrame) -> list[GroupRow]:
    rows = []
    known = places.reindex(runs[0].subjects)
    for cohort, members in known.groupby("cohort"):
        sites = sorted(set(members["site"]) - {""})
        for site in ["", *(sites if len(sites) > 1 else [])]:
            subjects = members.index if not site else members.index[members["site"] == site]
            rows.append(_group(data, GroupRow(arm, split, str(cohort), site, 0, [], None, None), runs, subjects))
    return rows


def _group(data: StudyFiles, row: GroupRow, runs: Sequence[Answers], subjects: pd.Index) -> GroupRow:
    """Return the row of these subjects, named as ``row``."""
    theirs = [[run.only(np.isin(run.subjects, subjects))] for run in runs]
    classes = np.bincount(theirs[0][0].truth, minlength=len(CLASSES)).tolist()
    if sum(classes) < FEWEST:
        return replace(row, n=sum(classes), classes=classes)
    every = arm_metrics(theirs, data.replicates, ("mcc", "balanced_accuracy"))
    mcc = every.get("mcc") or arm_mcc(theirs, data.replicates)
    return replace(row, n=sum(classes), classes=classes, mcc=mcc, balanced_accuracy=every.get("balanced_accuracy"))


def mistakes(arms: Sequence[Arm]) -> list[Mistake]:
    """Return each arm's ``MISTAKES`` errors of greatest confidence on the external test, the surest first."""
    return [mistake for arm in arms if (runs := arm.answers("test")) for mistake in _surest(arm.name, runs)]


def _surest(arm: str, runs: Sequence[Answers]) -> list[Mistake]:
    answers = [run[0] for run in shared([[run] for run in runs])]
    mean = np.mean([one.probabilities for one in answers], axis=0)
    truth, predicted = answers[0].truth, mean.argmax(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    ranked = wrong[np.argsort(-mean[wrong].max(axis=1), kind="stable")][:MISTAKES]
    return [
        Mistake(
            arm,
            str(answers[0].subjects[row]),
            CLASSES[truth[row]],
            CLASSES[predicted[row]],
            float(mean[row].max()),
            float(mean[row, truth[row]]),
        )
        for row in ranked
    ]
