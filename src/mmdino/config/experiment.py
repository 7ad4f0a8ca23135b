"""An experiment: one YAML that names a method, what it changes, and the question that it answers."""

import importlib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from mmdino.config.strict import Strict, parse, read_yaml
from mmdino.errors import UserError, nearest

Readout = Literal["cls", "patch", "head"]


class MethodSettings(Strict):
    """Base of every method's settings; a method adds its own in ``mmdino/methods/<method>/settings.py``."""


class Experiment(Strict):
    """One arm of a study (``config/experiments/<name>.yaml``)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = Field(description="How tables and figures call it.")
    question: str = Field(description="What it answers, in a sentence.")
    method: str = Field(description="A folder of mmdino/methods, with dashes.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Overrides of the method's settings.")
    readout: Readout = Field(
        default="cls",
        description="Which read-out stands for this arm in the main table: regression on the CLS token or pooled "
        "features (cls), on the mean patch token (patch), or the network's own output (head). Chosen on validation.",
    )
    seeds: list[int] | None = Field(default=None, description="Its own seeds; else the study's.")


def load_experiment(path: Path | str) -> Experiment:
    """Read one experiment.

    Raises:
        UserError: the file is missing or wrong, its name differs from the file's, or its method is unknown.
    """
    experiment = parse(Experiment, read_yaml(path), path)
    if experiment.name != Path(path).stem:
        raise UserError(f"{path}: its name is '{experiment.name}', but must be the file's, '{Path(path).stem}'")
    if experiment.method not in known_methods():
        raise UserError(f"{path}: unknown method '{experiment.method}'{nearest(experiment.method, known_methods())}")
    return experiment


def known_methods() -> list[str]:
    """Return the names of the folders of ``mmdino/methods`` that hold a ``settings.py``."""
    folder = Path(__file__).parents[1] / "methods"
    return sorted(found.parent.name.replace("_", "-") for found in folder.glob("*/settings.py"))


def method_settings(experiment: Experiment, study_overrides: dict[str, Any], where: str) -> MethodSettings:
    """Resolve an experiment's settings: the method's defaults < the study's for that method < the experiment's own.

    Found by name, so that a method is one folder and adding one touches nothing here.
    """
    module = importlib.import_module(f"mmdino.methods.{experiment.method.replace('-', '_')}.settings")
    return parse(
        module.Settings, {**study_overrides, **experiment.settings}, f"{where}: settings of '{experiment.name}'"
    )
