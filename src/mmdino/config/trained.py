"""Experiments that train nothing: another one of the study is trained in the same way, and they ask its weights."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmdino.config.study import LoadedStudy

AT_EVALUATION = {"slices", "axes"}  # of `data`; training knows nothing of them


def trained_as(study: "LoadedStudy") -> dict[str, str]:
    """Return the experiments that train nothing, each with the one whose weights it has, seed by seed.

    Its training is the same: method, settings and patients are equal but for what only says how trained weights are asked
    (``at_evaluation`` of a method, slices and axes), and it has all the seeds. Of several it is one that runs by default,
    else the one that changes the least, so that an experiment added to a study seldom takes another's weights from it.
    """
    found: dict[str, str] = {}
    trainings: list[tuple[str, dict[str, Any]]] = []
    for name in sorted(study.experiments, key=lambda name: _plainness(study, name)):
        training, seeds = _training(study, name), set(study.seeds(name))
        same = (of for of, other in trainings if other == training and seeds <= set(study.seeds(of)))
        if of := next(same, None):
            found[name] = of
        else:
            trainings.append((name, training))
    return found


def _training(study: "LoadedStudy", name: str) -> dict[str, Any]:
    experiment, settings = study.experiment(name), study.settings(name)
    return {
        "method": experiment.method,
        "settings": settings.model_dump(mode="json", exclude=set(settings.at_evaluation)),
        "data": experiment.data.model_dump(mode="json", exclude=AT_EVALUATION),
        "leak": study.policy(name),
    }


def _plainness(study: "LoadedStudy", name: str) -> tuple[bool, int]:
    experiment = study.experiment(name)
    return name not in study.default, len(experiment.settings) + len(experiment.data.model_fields_set)
