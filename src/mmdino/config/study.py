"""A study: which cohorts, how they are prepared, which experiments are run on them."""

from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from mmdino.config.experiment import Data, Experiment, MethodSettings, Policy, load_experiments, method_settings
from mmdino.config.extends import read_extended
from mmdino.config.needs import Job, Needs
from mmdino.config.phantom import OF_THE_COHORT, UNSEGMENTED, PhantomCohort
from mmdino.config.quality import Quality
from mmdino.config.strict import Strict, parse
from mmdino.config.trained import require_same_training
from mmdino.errors import UserError, nearest


class Cohort(Strict):
    """One cohort on disk."""

    stage: Literal["native", "atlas", "atlas-other-space", "stripped", "stripped-other-space"] = Field(
        description="native: whole heads, each scan in its own space; atlas: registered to the atlas, with skull; "
        "stripped: registered to the atlas and skull-stripped; atlas-other-space and stripped-other-space: the same, but "
        "the space that the sequences share is not the atlas's."
    )
    role: Literal["train", "test"] = Field(default="train", description="test: the external test set, looked at once.")
    adapter: str = Field(default="folder", description="A file of mmdino/cohorts.")
    path: str = Field(default="", description="Where it lies; empty for a phantom cohort.")
    site: str = Field(default="", description="Scanner site, where the cohort has only one.")
    phantom: PhantomCohort | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_as_it_is_made(cls, given: Any) -> Any:
        """Phantoms in the layout of an archive are read by its adapter, which knows no scanner site."""
        made = given.get("phantom") if isinstance(given, dict) else None
        told = made.model_dump() if isinstance(made, PhantomCohort) else made
        if isinstance(told, dict) and told.get("layout", "folder") != "folder":
            return {"adapter": told["layout"], "site": told.get("site", ""), **given}
        return given

    @model_validator(mode="after")
    def _one_source(self) -> "Cohort":
        if bool(self.path) == (self.phantom is not None):
            raise ValueError("a cohort needs either 'path' (found on disk) or 'phantom' (made), and not both")
        if self.phantom and self.stage not in ("native", "stripped"):
            raise ValueError(f"phantoms are made native or stripped; set 'stage' to one of them, not to {self.stage}")
        if self.phantom and self.adapter != self.phantom.layout:
            raise ValueError(
                f"phantoms in the layout {self.phantom.layout} are not read by the adapter '{self.adapter}'; remove "
                "'adapter', or set 'phantom.layout' to it"
            )
        if self.phantom and self.phantom.layout in UNSEGMENTED and self.stage == "stripped":
            raise ValueError(
                f"the layout {self.phantom.layout} has no segmentations, without which a stripped phantom's few planes are "
                "of no use; set 'stage: native', or another 'phantom.layout'"
            )
        return self


class Labels(Strict):
    """The ambiguous choices of the WHO-2021 rule (``mmdino/cohorts/common/labels.py``); defaults follow the paper."""

    wildtype_low_grade: Literal["glioblastoma", "unlabelled"] = Field(
        default="glioblastoma",
        description="IDH-wildtype of grade 2 or 3, for which WHO 2021 asks for TERT, EGFR or +7/-10, which the tables lack.",
    )
    mutant_unknown_1p19q: Literal["unlabelled", "astrocytoma"] = Field(
        default="unlabelled", description="IDH-mutant, 1p/19q unknown, and no integrated diagnosis."
    )
    relative_codeletion: Literal["diagnosis", "codeleted", "intact", "unlabelled"] = Field(
        default="diagnosis", description="What '1p/19q: relative co-deletion' is taken for."
    )
    hidden: list[str] = Field(default=[], description="Cohorts whose labels are not used.")


class Preprocess(Strict):
    """From native heads to stripped atlas space (settings measured in docs/benchmarks.md)."""

    atlas: str = Field(
        default="mni152",
        description="mni152 (carried by nilearn), or the path of a skull-stripped atlas such as SRI24.",
    )
    registration: Literal["rigid", "affine"] = Field(default="rigid", description="t1c to atlas; rigid as in BraTS.")
    brain_extraction: Literal["hd-bet-v1", "hd-bet-v2", "deepbet"] = Field(
        default="hd-bet-v1", description="v1 and deepbet are carried by their packages; v2 needs `brain_weights`."
    )
    brain_weights: str = Field(
        default="~/hd-bet_params/release_2.0.0",
        description="HD-BET 2's folder of weights (where `hd-bet` puts them when it first runs on a connected machine).",
    )
    segmenter: str = Field(
        default="phantom", description="phantom (the model we ship), none, or a trained nnU-Net v2 model folder."
    )
    seed: int = 0


class Leakage(Strict):
    """Patients who occur twice (``mmdino leakage``; thresholds measured in docs/benchmarks.md)."""

    audit: bool = Field(
        default=False, description="Compare all patients; else only crosswalks and equal ids join them."
    )
    policy: Policy = Field(
        default="remove-from-train",
        description="remove-from-train: who is found twice is one patient, on one side of the splits, tested where any "
        "copy is tested. keep: each cohort's patients count for themselves, as in the paper.",
    )
    join_from: float = Field(
        default=7.5,
        gt=0,
        description="Similarity from which two patients are one, in standard deviations above that of strangers.",
    )
    review_from: float = Field(default=6.5, gt=0, description="Similarity from which a person should look.")


class Splits(Strict):
    """Who trains, who validates, who is tested: by patient."""

    validation_fraction: float = Field(default=0.2, gt=0, lt=1)
    labelled_fraction: float = Field(
        default=1.0, gt=0, le=1, description="Share of the labelled training patients whose label training may see."
    )
    lists: str = Field(
        default="",
        description="A folder of lists of ids, such as the authors', that say who trains and who validates; empty: drawn.",
    )
    seed: int = 0


BANK_VERSION = 1  # of the files of a bank; a bank of another one is refused, and Snakemake builds it anew


class Bank(Strict):
    """The slice bank: the crops that training and evaluation read (method.md, Data)."""

    axes: list[Literal[0, 1, 2]] = Field(default=[0, 1, 2], min_length=1, description="0 sagittal, 1 coronal, 2 axial.")
    min_tumour_voxels: int = Field(default=500, ge=1)
    crop: int = Field(default=96, ge=16, description="Side of the crop in voxels.")
    slice_choice: Literal["mended", "released"] = Field(
        default="mended",
        description="released: sums label values instead of counting voxels, and truncates the centre.",
    )


class Volumes(Strict):
    """The volume bank: one stack of axial planes a patient round the tumour, for the methods that look in 3-D."""

    size: int = Field(default=96, ge=16, description="Pixels of a plane's side.")
    spacing: float = Field(default=1.0, gt=0, description="Millimetres between the pixels of a plane.")
    planes: int = Field(default=49, ge=1, description="Odd: the middle one is the slice with the most tumour.")
    gap: float = Field(default=2.0, gt=0, description="Millimetres between planes.")

    @field_validator("planes")
    @classmethod
    def _has_a_middle(cls, planes: int) -> int:
        if planes % 2 == 0:
            raise ValueError(f"volumes.planes is {planes}, and must be odd, so that one plane is the middle")
        return planes


class Evaluation(Strict):
    """Intervals, comparisons and protocols."""

    bootstrap: int = Field(default=2000, ge=100, description="Resamples of the patients, and permutations.")
    protocols: list[Literal["refit", "transfer"]] = Field(default=["refit", "transfer"], min_length=1)
    margin: float = Field(
        default=0.05, gt=0, lt=1, description="Of MCC, by which an arm may be worse and not inferior."
    )
    select_on: Literal["val"] = Field(default="val", description="The split by which anything is chosen.")
    trials: int = Field(default=20, ge=1, description="Trials of `mmdino tune`, the same for every experiment.")

    @field_validator("select_on", mode="before")
    @classmethod
    def _not_the_test(cls, split: Any) -> Any:
        if split == "test":
            raise ValueError("the external test is looked at once, after everything is chosen; set select_on: val")
        return split


class Study(Strict):
    """The whole study (``config/studies/<name>.yaml``)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    seeds: list[int] = Field(default=[0], min_length=1)
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
        description="Settings of a method at this study's scale, or the experiment of it whose settings these are.",
    )
    experiments: list[str] = Field(min_length=1, description="Run by default.")
    more_experiments: list[str] = Field(default_factory=list, description="Targets of the same study, run on request.")
    reference: str = Field(default="mm-dinov2", description="The arm that the others are compared with.")
    remarks: list[str] = Field(
        default_factory=list,
        description="Paragraphs that the report puts below its answer, such as what was tried before settings were chosen.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        lists: list[list] = [self.seeds, [*self.experiments, *self.more_experiments]]
        for names in lists:
            twice = {str(name) for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"listed twice: {', '.join(sorted(twice))}; name each once")
        claims = [(cohort.adapter, Path(cohort.path), name) for name, cohort in self.cohorts.items() if cohort.path]
        for number, (adapter, path, name) in enumerate(claims):
            for other_adapter, other, other_name in claims[:number]:
                if adapter == other_adapter and (path.is_relative_to(other) or other.is_relative_to(path)):
                    raise ValueError(
                        f"the cohorts '{other_name}' and '{name}' both claim the folder {path}; mend one 'path'"
                    )
        for name, made in ((name, cohort.phantom) for name, cohort in self.cohorts.items() if cohort.phantom):
            alike = [other for other, cohort in self.cohorts.items() if cohort.adapter == made.layout and other != name]
            if alike and made.layout not in OF_THE_COHORT:
                raise ValueError(
                    f"the phantoms of '{name}' would have the ids of patients of '{alike[0]}', both in the layout "
                    f"{made.layout}; give them another 'phantom.layout'"
                )
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
    """A study with its experiments resolved."""

    def __init__(self, study: Study, path: Path):
        self.study = study
        self.path = path
        self._experiments = path.parent.parent / "experiments"
        self._settings: dict[str, MethodSettings] = {}

    @cached_property
    def families(self) -> dict[str, list[Experiment]]:
        """The experiments of each file that the study names: one, or a file's variants."""
        names = [*self.study.experiments, *self.study.more_experiments]
        return {name: load_experiments(self._experiments / f"{name}.yaml") for name in names}

    @cached_property
    def experiments(self) -> dict[str, Experiment]:
        """All experiments of the study by name, the default ones first."""
        found = [experiment for family in self.families.values() for experiment in family]
        loaded = {experiment.name: experiment for experiment in found}
        if len(loaded) < len(found):
            twice = next(one.name for one in found if one is not loaded[one.name])
            raise UserError(f"{self.path}: two experiments are called '{twice}'; rename the variant or the file")
        unknown = set(self.study.methods) - {experiment.method for experiment in loaded.values()}
        if unknown:
            name = min(unknown)
            raise UserError(
                f"{self.path}: 'methods.{name}' is used by no experiment{nearest(name, [e.method for e in loaded.values()])}"
            )
        reference = self.study.reference
        if "reference" in self.study.model_fields_set and reference not in loaded:
            raise UserError(
                f"{self.path}: the reference '{reference}' is no experiment of it{nearest(reference, loaded)}"
            )
        return loaded

    @cached_property
    def default(self) -> list[str]:
        """The experiments that run without being asked for."""
        return [experiment.name for name in self.study.experiments for experiment in self.families[name]]

    def settings(self, experiment: str) -> MethodSettings:
        """Resolve one experiment's settings (method's defaults < this study's < the experiment's)."""
        if experiment not in self._settings:  # Snakemake asks several times for each job
            named = self.experiment(experiment)
            self._settings[experiment] = method_settings(named, self.scale(named.method), str(self.path))
        return self._settings[experiment]

    def scale(self, method: str) -> dict[str, Any]:
        """Return what the study sets of a method: its own lines, or the settings of the experiment that it names."""
        return self._scales.get(method, {})

    @cached_property
    def _scales(self) -> dict[str, dict[str, Any]]:
        given = self.study.methods
        return {name: self._recipe(name, of) if isinstance(of, str) else of for name, of in given.items()}

    def _recipe(self, method: str, experiment: str) -> dict[str, Any]:
        path = self._experiments / f"{experiment}.yaml"
        found = load_experiments(path)
        if len(found) > 1 or found[0].method != method:
            raise UserError(f"{self.path}: 'methods.{method}' names {path}, which is not one experiment of {method}")
        return found[0].settings

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
        if named.trained_as is not None:
            found["trained_as"] = named.trained_as
        return found


def load_study(path: Path | str, check: bool = True) -> LoadedStudy:
    """Read a study and, with ``check``, every experiment that it names, so that a typo is found before anything runs.

    Raises:
        UserError: naming the file, the key and the nearest right one.
    """
    loaded = LoadedStudy(parse(Study, read_extended(Path(path)), path), Path(path))
    if check:
        for name in loaded.experiments:
            loaded.settings(name)
            require_same_training(loaded, name)
    return loaded
