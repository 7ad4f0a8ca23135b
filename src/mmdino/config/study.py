"""A study: which cohorts, how they are prepared, which experiments are run on them."""

from collections.abc import Iterable
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from mmdino.config.answerable import require_answerable
from mmdino.config.cohort import Cohort, Labels, wrong_name
from mmdino.config.evaluation import Evaluation
from mmdino.config.experiment import (
    Data,
    Experiment,
    MethodSettings,
    Policy,
    Seed,
    load_experiments,
    method_settings,
)
from mmdino.config.extends import RECIPE, read_extended
from mmdino.config.needs import Job, Needs
from mmdino.config.phantom import OF_THE_COHORT
from mmdino.config.preparation import Bank, Leakage, Preprocess, Splits, Volumes
from mmdino.config.quality import Quality
from mmdino.config.strict import Strict, parse, read_yaml
from mmdino.config.trained import trained_as
from mmdino.errors import UserError, nearest


class Study(Strict):
    """The whole study (``config/studies/<name>.yaml``)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    seeds: list[Seed] = Field(default=[0], min_length=1)
    shards: int = Field(default=1, ge=1, description="Preprocessing jobs a cohort.")
    cohorts: dict[str, Cohort] = Field(min_length=1)
    labels: Labels = Labels()
    preprocess: Preprocess = Preprocess()
    qc: Quality = Quality()
    leakage: Leakage = Leakage()
    splits: Splits = Splits()
    bank: Bank = Bank()
    volumes: Volumes = Volumes()
    evaluation: Evaluation = Evaluation()
    methods: dict[str, dict[str, Any] | str] = Field(
        default_factory=dict,
        description="Settings of a method at this study's scale; `recipe` (or no more than a name) is the experiment of "
        "it that says those which are not here.",
    )
    tuned: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="What `mmdino tune` found for an experiment of this study: settings of its search space, for it alone.",
    )
    experiments: list[str] = Field(min_length=1, description="Run by default.")
    more_experiments: list[str] = Field(default_factory=list, description="Targets of the same study, run on request.")
    reference: str = Field(default="mm-dinov2", description="The arm that the others are compared with.")
    remarks: list[str] = Field(
        default_factory=list,
        description="Paragraphs that the report puts below its answer, such as what was tried before settings were chosen.",
    )

    @field_validator("methods", mode="before")
    @classmethod
    def _settings_or_a_name(cls, methods: Any) -> Any:
        for name, given in methods.items() if isinstance(methods, dict) else ():
            if not isinstance(given, dict | str):
                raise ValueError(f"'{name}' is {given!r}; write 'setting: value' lines or an experiment's name")
            if isinstance(given, dict) and not isinstance(given.get(RECIPE, ""), str):
                raise ValueError(f"'{name}.{RECIPE}' is {given[RECIPE]!r}; write the name of an experiment of {name}")
        return methods

    @model_validator(mode="after")
    def _names_each_once(self) -> "Study":
        lists: list[list] = [self.seeds, [*self.experiments, *self.more_experiments]]
        for names in lists:
            twice = {str(name) for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"listed twice: {', '.join(sorted(twice))}; name each once")
        return self

    @model_validator(mode="after")
    def _calls_cohorts_by_words(self) -> "Study":
        for fault in filter(None, map(wrong_name, self.cohorts)):
            raise ValueError(fault)
        return self

    @model_validator(mode="after")
    def _no_folder_for_two(self) -> "Study":
        claims = [(cohort.adapter, Path(cohort.path), name) for name, cohort in self.cohorts.items() if cohort.path]
        for (adapter, path, name), (other_adapter, other, other_name) in combinations(claims, 2):
            if adapter == other_adapter and (path.is_relative_to(other) or other.is_relative_to(path)):
                raise ValueError(
                    f"the cohorts '{name}' and '{other_name}' both claim the folder {other}; mend one 'path'"
                )
        return self

    @model_validator(mode="after")
    def _no_id_for_two(self) -> "Study":
        for name, made in ((name, cohort.phantom) for name, cohort in self.cohorts.items() if cohort.phantom):
            alike = [other for other, cohort in self.cohorts.items() if cohort.adapter == made.layout and other != name]
            if alike and made.layout not in OF_THE_COHORT:
                raise ValueError(
                    f"the phantoms of '{name}' would have the ids of patients of '{alike[0]}', both in the layout "
                    f"{made.layout}; give them another 'phantom.layout'"
                )
        return self

    @model_validator(mode="after")
    def _knows_its_cohorts(self) -> "Study":
        unknown = [name for name in self.labels.hidden if name not in self.cohorts]
        if unknown:
            hint = nearest(unknown[0], self.cohorts)
            raise ValueError(f"labels.hidden names '{unknown[0]}', and there is no such cohort{hint}")
        if not any(cohort.role == "train" for cohort in self.cohorts.values()):
            raise ValueError("no cohort has 'role: train'; there is nothing to train on")
        return self

    @property
    def is_phantom(self) -> bool:
        """Whether any patient of the study is made up; every heading of its report then says so."""
        return any(cohort.phantom for cohort in self.cohorts.values())


class LoadedStudy:
    """A study with its experiments resolved; ``written``: the methods of whom its own file says something."""

    def __init__(self, study: Study, path: Path, written: Iterable[str] = ()):
        self.study = study
        self.path = path
        self.written = set(written)
        self._experiments = path.parent.parent / "experiments"
        self._settings: dict[str, MethodSettings] = {}

    @cached_property
    def families(self) -> dict[str, list[Experiment]]:
        """The experiments of each file that the study names: one, or a file's variants."""
        names = [*self.study.experiments, *self.study.more_experiments]
        files = {name: load_experiments(self._experiments / f"{name}.yaml") for name in names}
        return {name: [self._tuned(experiment) for experiment in family] for name, family in files.items()}

    @cached_property
    def experiments(self) -> dict[str, Experiment]:
        """All experiments of the study by name, the default ones first."""
        found = [experiment for family in self.families.values() for experiment in family]
        loaded = {experiment.name: experiment for experiment in found}
        if len(loaded) < len(found):
            twice = next(one.name for one in found if one is not loaded[one.name])
            raise UserError(f"{self.path}: two experiments are called '{twice}'; rename the variant or the file")
        used = {experiment.method for experiment in loaded.values()}
        if unused := self.written - used:  # what it takes over from the study that it extends may be more than it needs
            name = min(unused)
            raise UserError(f"{self.path}: 'methods.{name}' is used by no experiment{nearest(name, used)}")
        if unknown := set(self.study.tuned) - set(loaded):
            name = min(unknown)
            raise UserError(f"{self.path}: 'tuned.{name}' is no experiment of the study{nearest(name, loaded)}")
        reference = self.study.reference
        if "reference" in self.study.model_fields_set and reference not in loaded:
            raise UserError(
                f"{self.path}: the reference '{reference}' is no experiment of it{nearest(reference, loaded)}"
            )
        return loaded

    def _tuned(self, experiment: Experiment) -> Experiment:
        found = self.study.tuned.get(experiment.name, {})
        if strange := set(found) - set(experiment.tune):
            name = min(strange)
            raise UserError(
                f"{self.path}: 'tuned.{experiment.name}.{name}' is not among what is searched for this experiment"
                f"{nearest(name, experiment.tune)}; write it into 'methods.{experiment.method}' or the experiment's file"
            )
        return experiment.model_copy(update={"settings": experiment.settings | found})

    @cached_property
    def default(self) -> list[str]:
        """The experiments that run without being asked for."""
        return [experiment.name for name in self.study.experiments for experiment in self.families[name]]

    def settings(self, experiment: str) -> MethodSettings:
        """Resolve one experiment's settings (method's defaults < the study's for it < the experiment's < tuned)."""
        if experiment not in self._settings:  # Snakemake asks several times for each job
            named = self.experiment(experiment)
            self._settings[experiment] = method_settings(named, self.scale(named.method), str(self.path))
        return self._settings[experiment]

    def scale(self, method: str) -> dict[str, Any]:
        """Return what the study sets of a method: its own lines, or the settings of the experiment that it names."""
        return self._scales.get(method, {})

    def recipe(self, method: str) -> tuple[str, set[str]]:
        """Return the experiment whose settings a method has ("": none), and the settings that the study sets besides."""
        given = self.study.methods.get(method, {})
        own = {} if isinstance(given, str) else given
        return given if isinstance(given, str) else own.get(RECIPE, ""), set(own) - {RECIPE}

    @cached_property
    def _scales(self) -> dict[str, dict[str, Any]]:
        return {name: self._scale(name, of) for name, of in self.study.methods.items()}

    def _scale(self, method: str, given: dict[str, Any] | str) -> dict[str, Any]:
        recipe, own = self.recipe(method)
        written = {key: value for key, value in given.items() if key in own} if isinstance(given, dict) else {}
        if not recipe:
            return written
        path = self._experiments / f"{recipe}.yaml"
        try:
            found = load_experiments(path)
        except UserError as error:
            raise UserError(
                f"{self.path}: 'methods.{method}' names an experiment that cannot be read: {error}"
            ) from None
        if len(found) > 1 or found[0].method != method:
            raise UserError(f"{self.path}: 'methods.{method}' names {path}, which is not one experiment of {method}")
        return found[0].settings | written

    def needs(self, experiment: str, job: Job) -> Needs:
        """Return what a training or prediction of an experiment makes use of, as its method declares it."""
        return self.settings(experiment).needs(job)

    def experiment(self, name: str) -> Experiment:
        """Return one experiment of the study."""
        if name not in self.experiments:
            raise UserError(f"{self.path}: the study has no experiment '{name}'{nearest(name, self.experiments)}")
        return self.experiments[name]

    def cohort(self, name: str) -> Cohort:
        """Return one cohort of the study."""
        if name not in self.study.cohorts:
            raise UserError(f"{self.path}: the study has no cohort '{name}'{nearest(name, self.study.cohorts)}")
        return self.study.cohorts[name]

    @cached_property
    def trained_as(self) -> dict[str, str]:
        """The experiments that train nothing, and whose weights each asks (:func:`mmdino.config.trained.trained_as`)."""
        return trained_as(self)

    def seeds(self, experiment: str) -> list[int]:
        """Return the seeds with which an experiment runs."""
        return self.experiment(experiment).seeds or self.study.seeds

    def policy(self, experiment: str) -> Policy:
        """Return what becomes of patients who occur twice, in an experiment."""
        return self.experiment(experiment).leak or self.study.leakage.policy

    def resolved(self, experiment: str) -> dict[str, Any]:
        """Return everything that a run depends on, as plain values: the run's Snakemake params and its record."""
        named = self.experiment(experiment)
        found = {
            "experiment": experiment,
            "method": named.method,
            "settings": self.settings(experiment).model_dump(mode="json"),
        }
        # Left out where nothing is changed, so that runs from before an option stay valid.
        if named.data != Data():
            found["data_seen"] = named.data.model_dump(mode="json")
        if named.leak is not None:
            found["leak"] = named.leak
        return found

    def searched(self, experiment: str) -> dict[str, Any]:
        """Return everything that an experiment's search depends on, as plain values: what a run does, but what it searches."""
        named, found = self.experiment(experiment), self.resolved(experiment)
        fixed = {key: value for key, value in found["settings"].items() if key not in named.tune}
        spaces = named.model_dump(mode="json", include={"tune", "readout"})
        return found | {"settings": fixed, "trials": self.study.evaluation.trials} | spaces


def load_study(path: Path | str, check: bool = True) -> LoadedStudy:
    """Read a study and, with ``check``, every experiment that it names, so that a typo is found before anything runs.

    Raises:
        UserError: naming the file, the key and the nearest right one; the study's name is not the file's.
    """
    path = Path(path)
    study = parse(Study, read_extended(path), path)
    if study.name != path.stem:
        raise UserError(
            f"{path}: its name is '{study.name}', but must be the file's, '{path.stem}': results lie below it"
        )
    loaded = LoadedStudy(study, path, read_yaml(path).get("methods") or ())
    if check:
        for name in loaded.experiments:
            require_answerable(loaded, name)
    return loaded
