"""Whether an experiment can do what it is asked in a study; said before anything runs, not after all trainings."""

from typing import TYPE_CHECKING

from mmdino.errors import UserError, nearest

if TYPE_CHECKING:
    from mmdino.config.study import LoadedStudy

TRAINED_ON = 2  # the axis of the slices that training looks at


def require_answerable(study: "LoadedStudy", name: str) -> None:
    """Refuse an experiment whose read-out, cohort or axes the study or the method does not have.

    Raises:
        UserError: naming the study's file, the experiment and the key.
    """
    experiment, settings, protocols = study.experiment(name), study.settings(name), study.study.evaluation.protocols
    where, readout = f"{study.path}: '{name}'", experiment.readout
    if readout not in settings.readouts:
        has = " or ".join(sorted(settings.readouts))
        raise UserError(f"{where} has 'readout: {readout}', which {experiment.method} does not give; set {has}")
    if readout == "head" and "transfer" not in protocols:
        raise UserError(
            f"{where} is read out by its head, which is never refitted; add transfer to 'evaluation.protocols'"
        )
    _require_cohort(study, name)
    wanted = {TRAINED_ON, *experiment.data.axes} - set(study.study.bank.axes)
    if settings.reads == "slices" and wanted:
        raise UserError(f"{where} looks at slices of axis {min(wanted)}; add it to 'bank.axes'")


def _require_cohort(study: "LoadedStudy", name: str) -> None:
    left_out = study.experiment(name).data.leave_out
    training = [cohort for cohort, one in study.study.cohorts.items() if one.role == "train"]
    if left_out and left_out not in training:
        raise UserError(
            f"{study.path}: '{name}' leaves out '{left_out}', which is no training cohort{nearest(left_out, training)}"
        )
