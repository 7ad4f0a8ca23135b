"""Experiments that train nothing: they ask another one's weights in their own way (``trained_as``)."""

from typing import TYPE_CHECKING

from mmdino.config.experiment import Data, Experiment
from mmdino.errors import UserError, nearest

if TYPE_CHECKING:
    from mmdino.config.study import LoadedStudy


def require_same_training(study: "LoadedStudy", name: str) -> None:
    """Refuse an experiment whose training would not be that of the one that it names as ``trained_as``.

    Raises:
        UserError: naming the study's file, the experiment, and what would have to be trained anew.
    """
    experiment = study.experiment(name)
    if experiment.trained_as is None:
        return
    where, base = f"{study.path}: '{name}' is trained as '{experiment.trained_as}'", experiment.trained_as
    if base not in study.experiments:
        raise UserError(f"{where}, which is no experiment of the study{nearest(base, study.experiments)}")
    other = study.experiment(base)
    if other.trained_as is not None:
        raise UserError(f"{where}, which is trained as '{other.trained_as}' itself; name that one")
    differs = [*_other_training(experiment, other), *_other_settings(study, name, base)]
    differs += ["leak"] if study.policy(name) != study.policy(base) else []
    differs += ["seeds"] if not set(study.seeds(name)) <= set(study.seeds(base)) else []
    if differs:
        raise UserError(f"{where}, from which it differs in training too ({', '.join(differs)}); remove 'trained_as'")


def _other_training(one: Experiment, other: Experiment) -> list[str]:
    seen, there = one.data.model_dump(), other.data.model_dump()
    asked = {"slices", "axes"}  # of these alone training knows nothing
    differs = [f"data.{key}" for key in Data.model_fields if key not in asked and seen[key] != there[key]]
    return ["method"] if one.method != other.method else differs


def _other_settings(study: "LoadedStudy", name: str, base: str) -> list[str]:
    mine, theirs = study.settings(name), study.settings(base)
    if type(mine) is not type(theirs):
        return []
    counted = set(type(mine).model_fields) - mine.at_evaluation
    return sorted(f"settings.{key}" for key in counted if getattr(mine, key) != getattr(theirs, key))
