"""An experiment's settings as resolved in a study, each with where it comes from."""

from typing import Any

import yaml

from mmdino.config.sources import sources
from mmdino.config.study import LoadedStudy

SCALAR_END = "...\n"  # what YAML writes after a lone value


def show(study: LoadedStudy, name: str) -> str:
    """Return YAML of everything that a run depends on; a comment says who chose each setting.

    The paper, its released code, ours (and where ours mends the released code), this study, or this experiment.
    """
    experiment, resolved = study.experiment(name), study.resolved(name)
    settings = resolved.pop("settings")
    where = sources(type(study.settings(name)))
    where |= dict.fromkeys(study.study.methods.get(experiment.method, {}), "this study")
    where |= dict.fromkeys(experiment.settings, "this experiment")
    lines = [_line(key, value) for key, value in resolved.items()]
    chosen = [f"  {_line(key, value):<44} # {where[key]}" for key, value in settings.items()]
    lines += ["settings:", *chosen] if chosen else ["settings: {}"]
    return "\n".join(lines)


def _line(key: str, value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10**6, allow_unicode=True)
    return f"{key}: {text.removesuffix(SCALAR_END).strip()}"
