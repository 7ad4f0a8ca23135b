"""An experiment's settings as resolved in a study, each with where it comes from."""

from dataclasses import dataclass
from typing import Any

import yaml

from mmdino.config.sources import sources
from mmdino.config.study import LoadedStudy

SCALAR_END = "...\n"  # what YAML writes after a lone value


@dataclass(frozen=True)
class Choice:
    """A setting of an experiment.

    Attributes:
        name: the setting.
        value: resolved.
        source: who chose the value: the paper, its released code, ours, this study (or its searches) or this experiment.
        default: of the method.
        default_source: who chose the default.
    """

    name: str
    value: Any
    source: str
    default: Any
    default_source: str


def choices(study: LoadedStudy, name: str) -> list[Choice]:
    """Return every setting of an experiment with who chose it."""
    experiment, model = study.experiment(name), type(study.settings(name))
    defaults, where = model().model_dump(mode="json"), sources(model)
    (recipe, own), scale = study.recipe(experiment.method), study.scale(experiment.method)
    by_study = {key: "this study" if key in own else f"this study, by {recipe}" for key in scale}
    chosen = where | by_study | dict.fromkeys(experiment.settings, "this experiment")
    chosen |= dict.fromkeys(study.study.tuned.get(name, {}), "this study, tuned")
    resolved = study.resolved(name)["settings"]
    return [Choice(key, value, chosen[key], defaults[key], where[key]) for key, value in resolved.items()]


def show(study: LoadedStudy, name: str) -> str:
    """Return YAML of everything that a run depends on; a comment says who chose each setting.

    The paper, its released code, ours (and where ours mends the released code), this study, its searches, or this experiment.
    """
    resolved = study.resolved(name)
    del resolved["settings"]
    lines = [_line(key, value) for key, value in resolved.items()]
    chosen = [f"  {_line(one.name, one.value):<44} # {one.source}" for one in choices(study, name)]
    lines += ["settings:", *chosen] if chosen else ["settings: {}"]
    return "\n".join(lines)


def _line(key: str, value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return f"{key}: {text.removesuffix(SCALAR_END).strip()}"
