"""An experiment: one YAML that names a method, what it changes, and the question that it answers."""

import importlib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from mmdino.config.needs import Job, Needs
from mmdino.config.strict import Strict, parse, read_yaml
from mmdino.errors import UserError, nearest

Readout = Literal["cls", "patch", "head"]
Group = Literal["main", "baseline", "ablation"]
Reads = Literal["slices", "volumes"]
Policy = Literal["remove-from-train", "keep"]
Seed = Annotated[int, Field(ge=0, strict=True)]
READOUTS: frozenset[Readout] = frozenset({"cls", "patch", "head"})


class MethodSettings(Strict):
    """Base of every method's settings; a method adds its own in ``mmdino/methods/<method>/settings.py``.

    Attributes:
        reads: which of a cohort's banks its patients come from, single planes or volumes round the tumour.
        at_evaluation: the settings that say how trained weights are asked. No step of training depends on them, but which
            step's weights are kept may: validation asks patients who lack a sequence.
    """

    reads: ClassVar[Reads] = "slices"
    at_evaluation: ClassVar[frozenset[str]] = frozenset()

    @property
    def readouts(self) -> frozenset[Readout]:
        """Which read-outs the method gives; one that gives fewer than all says so, and no experiment asks it in vain."""
        return READOUTS

    def needs(self, job: Job) -> Needs:
        """Return what a training or a prediction makes use of; unless a method says otherwise, one core and no GPU."""
        return Needs()


class Data(Strict):
    """What an experiment sees of the study's patients; by default all, as the study's splits and the paper say."""

    labelled_fraction: float = Field(
        default=1.0, gt=0, le=1, description="Share of the labelled training patients who keep their label, by class."
    )
    unlabelled_fraction: float = Field(
        default=1.0, ge=0, le=1, description="Share of the unlabelled training patients who are kept."
    )
    leave_out: str = Field(
        default="",
        description="A training cohort that neither trains nor validates, and is tested in place of the external test.",
    )
    slices: int = Field(
        default=1, ge=1, description="Slices a patient at evaluation, those with the most tumour; answers are averaged."
    )
    axes: list[Literal[0, 1, 2]] = Field(
        default=[2], min_length=1, description="Of these slices: 0 sagittal, 1 coronal, 2 axial; the axes are averaged."
    )


class Space(Strict):
    """The values of a setting among which ``mmdino tune`` searches: choices, or a range (whole numbers if both are)."""

    choices: list[Any] | None = Field(default=None, min_length=2)
    low: int | float | None = None
    high: int | float | None = None
    log: bool = False

    @model_validator(mode="after")
    def _one_kind(self) -> "Space":
        ranged = self.low is not None and self.high is not None
        if ranged == (self.choices is not None):
            raise ValueError("a search space has either 'choices' or 'low' and 'high'")
        if self.low is not None and self.high is not None:
            if self.low >= self.high:
                raise ValueError("'low' must be less than 'high'")
            if self.log and self.low <= 0:
                raise ValueError("'low' must be above 0 where 'log' is set")
        return self


class Experiment(Strict):
    """One arm of a study (``config/experiments/<name>.yaml``, or one variant of such a file)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = Field(description="How tables and figures call it.")
    question: str = Field(description="What it answers, in a sentence.")
    method: str = Field(description="A folder of mmdino/methods, with dashes.")
    group: Group = Field(default="main", description="In which table of the report it stands.")
    settings: dict[str, Any] = Field(default_factory=dict, description="Overrides of the method's settings.")
    data: Data = Data()
    readout: Readout = Field(
        default="cls",
        description="Which read-out stands for this arm in the main table: regression on the CLS token or pooled "
        "features (cls), on the mean patch token (patch), or the network's own output (head). Chosen on validation.",
    )
    seeds: list[Seed] | None = Field(default=None, min_length=1, description="Its own seeds; else the study's.")
    leak: Policy | None = Field(
        default=None,
        description="Its own `leakage.policy`: what becomes of patients who occur twice; else the study's.",
    )
    tune: dict[str, Space] = Field(default_factory=dict, description="Settings that `mmdino tune` searches.")

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: list[Seed] | None) -> list[Seed] | None:
        if seeds and len(set(seeds)) < len(seeds):
            raise ValueError("a seed is listed twice; name each once")
        return seeds


def load_experiments(path: Path | str) -> list[Experiment]:
    """Read the experiment of a file, or its ``variants``: each is one experiment ``<name>-<variant>``.

    A variant says what differs: its keys replace the file's, and its ``settings`` and ``data`` are laid over them.

    Raises:
        UserError: the file is missing or wrong, its name differs from the file's, or its method is unknown.
    """
    value = read_yaml(path)
    if value.get("name") != Path(path).stem:
        raise UserError(f"{path}: its name is '{value.get('name')}', but must be the file's, '{Path(path).stem}'")
    variants = value.pop("variants", None)
    if variants is None:
        return [_experiment(value, path)]
    if not isinstance(variants, dict) or not variants or not all(isinstance(one, dict) for one in variants.values()):
        raise UserError(f"{path}: 'variants' must hold 'variant: {{what it changes}}' lines")
    return [_experiment(_varied(value, str(variant), changed), path) for variant, changed in variants.items()]


def _varied(base: dict[str, Any], variant: str, changed: dict[str, Any]) -> dict[str, Any]:
    laid = {key: {**(base.get(key) or {}), **(changed.get(key) or {})} for key in ("settings", "data")}
    return {**base, **changed, **laid, "name": f"{base['name']}-{variant}"}


def _experiment(value: dict[str, Any], path: Path | str) -> Experiment:
    experiment = parse(Experiment, value, path)
    if experiment.method not in known_methods():
        raise UserError(f"{path}: unknown method '{experiment.method}'{nearest(experiment.method, known_methods())}")
    return experiment


def known_methods() -> list[str]:
    """Return the names of the folders of ``mmdino/methods`` that hold a ``settings.py``."""
    folder = Path(__file__).parents[1] / "methods"
    folders = {found.parent.name.replace("_", "-") for found in folder.glob("*/settings.py")}
    return sorted(folders - {"common"})  # what methods share


def method_settings(experiment: Experiment, study_overrides: dict[str, Any], where: str) -> MethodSettings:
    """Resolve an experiment's settings: the method's defaults < the study's for that method < the experiment's own.

    Found by name, so that a method is one folder and adding one touches nothing here.
    """
    module = importlib.import_module(f"mmdino.methods.{experiment.method.replace('-', '_')}.settings")
    settings = parse(
        module.Settings, {**study_overrides, **experiment.settings}, f"{where}: settings of '{experiment.name}'"
    )
    for name in experiment.tune:
        if name not in module.Settings.model_fields:
            known = nearest(name, module.Settings.model_fields)
            raise UserError(
                f"{where}: 'tune.{name}' of '{experiment.name}' is no setting of {experiment.method}{known}"
            )
    return settings
