"""Everything the report is made from, read from a study's files; what is missing or broken is kept as a reason."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mmdino.config.chosen import command
from mmdino.config.experiment import Experiment, Group
from mmdino.config.study import LoadedStudy
from mmdino.errors import UserError
from mmdino.evaluation.predictions import Answers, Place, group, read_predictions, select
from mmdino.evaluation.subsets import ALL
from mmdino.files import read_json
from mmdino.forked import forked
from mmdino.insight.record import Insight, read_insight
from mmdino.reporting.stale import stale
from mmdino.reporting.text import listing
from mmdino.tables import FAILURES, LEAKAGE, MANIFEST, PREPROCESSED, SPLITS, Table, read_table


@dataclass(frozen=True)
class RunFiles:
    """One experiment with one seed.

    Attributes:
        seed: its seed.
        answers: about labelled patients, by place; empty where there are no predictions.
        record: ``run.json``, or empty.
        log: lines of ``log.jsonl``.
        regressions: C and notes of the regressions.
        problem: why there are no predictions, or "".
    """

    seed: int
    answers: dict[Place, Answers]
    record: dict[str, Any]
    log: pd.DataFrame
    regressions: list[dict[str, Any]]
    problem: str


@dataclass(frozen=True)
class Arm:
    """An experiment of a study with its runs.

    Attributes:
        study: its name.
        experiment: its configuration.
        runs: one a seed that the study plans.
        tuning: ``tuning/<experiment>/best.json``, or empty.
        namesake: whether another experiment of the study has the same title.
    """

    study: str
    experiment: Experiment
    runs: list[RunFiles]
    tuning: dict[str, Any] = field(default_factory=dict)
    namesake: bool = False

    @property
    def name(self) -> str:
        """Return the experiment's name, which is its Snakemake target."""
        return self.experiment.name

    @property
    def title(self) -> str:
        """Return what people call it; of two with one title each bears its name as well."""
        return f"{self.experiment.title} ({self.name})" if self.namesake else self.experiment.title

    @property
    def label(self) -> str:
        """Return what it is called beside a result: its title, with what sets that result apart from the others'."""
        return f"{self.title} ({self.apart})" if self.apart else self.title

    @property
    def apart(self) -> str:
        """Return that it was tested on other patients, or that some of its seeds are missing; "" where neither is so."""
        some = 0 < len(self.done) < len(self.runs)
        notes = [self.tested if self.elsewhere else "", f"{len(self.done)} of {len(self.runs)} seeds" if some else ""]
        return ", ".join(note for note in notes if note)

    @property
    def elsewhere(self) -> bool:
        """Return whether its test patients are not the external test's."""
        return bool(self.experiment.data.leave_out)

    @property
    def tested(self) -> str:
        """Return what its split ``test`` is."""
        return f"left-out cohort {self.experiment.data.leave_out}" if self.elsewhere else "external test"

    @property
    def command(self) -> str:
        """Return the command that runs it."""
        return command(self.study, self.name)

    @property
    def done(self) -> list[RunFiles]:
        """Return the runs that have predictions."""
        return [run for run in self.runs if run.answers]

    @property
    def started(self) -> bool:
        """Return whether any of its runs has left a trace."""
        return any(run.answers or run.record or len(run.log) for run in self.runs)

    @property
    def problem(self) -> str:
        """Return why some of its runs are missing, or ""."""
        seeds: dict[str, list[str]] = {}
        for run in self.runs:
            seeds.setdefault(run.problem, []).append(str(run.seed))
        if len(seeds) < 2:
            return next(iter(seeds), "")
        said = {why: f"seed{'s' * (len(which) > 1)} {listing(which)}: {why}" for why, which in seeds.items()}
        return "; ".join(words for why, words in said.items() if why)

    @property
    def lack(self) -> str:
        """Return, in few words, why it has no figure of its test patients."""
        if not self.done:
            return self.problem if self.problem == "not run" else "unfinished"
        return "too few classes" if self.answers("test") else f"no {self.experiment.readout}"

    def answers(self, split: str, sequences: str = ALL, protocol: str | None = None) -> list[Answers]:
        """Return the answers of each finished run by the arm's read-out; without ``protocol``: transfer, else refit."""
        readout = self.experiment.readout
        if protocol is None:
            found = (select(run.answers, split, readout, sequences) for run in self.done)
        else:
            found = (run.answers.get(Place(split, sequences, protocol, readout)) for run in self.done)
        return [answers for answers in found if answers is not None and len(answers)]


@dataclass(frozen=True)
class StudyFiles:
    """A study and what its files say.

    Attributes:
        study: its configuration.
        results: its folder, ``results/<study>``.
        out: where tables, figures and the page go; ``results``, but for a report of an unfinished study.
        arms: every experiment, the default ones first.
        oracle: ``truth/oracle.json`` by split and set of sequences, or empty.
        manifest: ``tables.MANIFEST`` of all cohorts.
        preprocessed: ``tables.PREPROCESSED`` of all cohorts.
        splits: ``tables.SPLITS``.
        left_out: cohort, subject and reason of those who are in no slice bank.
        leakage: ``tables.LEAKAGE``, or None where there was no audit.
        insight: what the reference arm's network sees, or None.
        broken: files that could not be read, with the reason.
    """

    study: LoadedStudy
    results: Path
    out: Path
    arms: list[Arm]
    oracle: dict[str, dict[str, dict[str, float]]]
    manifest: pd.DataFrame
    preprocessed: pd.DataFrame
    splits: pd.DataFrame
    left_out: pd.DataFrame
    leakage: pd.DataFrame | None = None
    insight: Insight | None = None
    broken: list[str] = field(default_factory=list)

    @property
    def phantom(self) -> bool:
        """Whether any patient is made up."""
        return self.study.study.is_phantom

    @property
    def replicates(self) -> int:
        """Return how often patients are resampled for an interval."""
        return self.study.study.evaluation.bootstrap

    @cached_property
    def reference(self) -> Arm | None:
        """Return the arm that the others are compared with."""
        return self.arm(self.study.study.reference)

    def arm(self, name: str) -> Arm | None:
        """Return an arm by its experiment's name."""
        return next((arm for arm in self.arms if arm.name == name), None)

    def named(self, name: str) -> Arm:
        """Return an arm that the study is known to have."""
        return next(arm for arm in self.arms if arm.name == name)

    def shown(self, *groups: Group) -> list[Arm]:
        """Return the arms (of some groups) that the study runs by default, or that somebody has started."""
        known = [arm for arm in self.arms if not groups or arm.experiment.group in groups]
        return [arm for arm in known if arm.name in self.study.default or arm.started]

    @cached_property
    def used(self) -> pd.DataFrame:
        """Return the rows of ``splits`` whose patients are in a slice bank, as far as is known."""
        without = set(zip(self.left_out["cohort"], self.left_out["subject"]))
        there = [place not in without for place in zip(self.splits["cohort"], self.splits["subject"])]
        return self.splits[np.array(there, bool)]

    def training_seconds(self, arm: Arm) -> list[float]:
        """Return the CPU seconds of training each of its runs; of adopted weights, those that their training took."""
        spent = (self._trained(run).get("cpu_seconds") for run in arm.runs)
        return [seconds for seconds in spent if seconds is not None]

    def _trained(self, run: RunFiles) -> dict[str, Any]:
        """Return the record of the run that trained a run's weights, nearly always its own."""
        arm = self.arm(run.record.get("trained_as") or "")
        return next((other.record for other in arm.runs if other.seed == run.seed), {}) if arm else run.record

    def titled(self, text: str) -> str:
        """Return a heading of a result, which in a phantom study says so."""
        return f"{text} (phantom)" if self.phantom else text

    def source(self, *parts: str) -> str:
        """Return the path of a file in the study's folder, for people."""
        return "/".join(parts)

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """Return the ``run.json`` of every run that has one."""
        return [run.record for arm in self.arms for run in arm.runs if run.record]


def gather(study: LoadedStudy, results: Path, out: Path | None = None, processes: int = 1) -> StudyFiles:
    """Read all files of a study; none has to be there. What is made of them goes to ``out``, or into ``results``."""
    broken: list[str] = []
    cohorts = list(study.study.cohorts)
    folder = results / "runs"
    runs = forked(
        {
            (name, seed): partial(_run, folder / name / f"seed-{seed}", seed, study.resolved(name))
            for name in study.experiments
            for seed in study.seeds(name)
        },
        processes,
        "predictions",
        "run",
    )
    titles = Counter(experiment.title for experiment in study.experiments.values())
    arms = [
        Arm(
            study.study.name,
            experiment,
            [runs[name, seed] for seed in study.seeds(name)],
            _read(read_json, results / "tuning" / name / "best.json", broken) or {},
            namesake=titles[experiment.title] > 1,
        )
        for name, experiment in study.experiments.items()
    ]
    folders = {name: results / "cohorts" / name for name in cohorts}
    return StudyFiles(
        study=study,
        results=results,
        out=out or results,
        arms=arms,
        oracle=_read(read_json, results / "truth" / "oracle.json", broken) or {},
        manifest=_tables(MANIFEST, {name: folder / "manifest.tsv" for name, folder in folders.items()}, broken),
        preprocessed=_tables(PREPROCESSED, {n: f / "preprocessed.tsv" for n, f in folders.items()}, broken),
        splits=_tables(SPLITS, {"": results / "splits.tsv"}, broken),
        left_out=_tables(FAILURES, {n: f / "slices" / "failures.tsv" for n, f in folders.items()}, broken),
        leakage=_read(partial(read_table, LEAKAGE), results / "leakage.tsv", broken),
        insight=_read(read_insight, results / "insight", broken),
        broken=broken,
    )


def _read(reader: Callable[[Path], Any], path: Path, broken: list[str]) -> Any:
    """Return what ``reader`` reads from ``path``, or None where the file is missing, or broken (which is noted)."""
    if not path.exists():
        return None
    try:
        return reader(path)
    except UserError as error:
        broken.append(str(error))
        return None


def _tables(table: Table, paths: dict[str, Path], broken: list[str]) -> pd.DataFrame:
    """Return one table of several cohorts' files, with a column ``cohort``."""
    found = []
    for cohort, path in paths.items():
        frame = _read(partial(read_table, table), path, broken)
        if frame is not None:
            found.append(frame if "cohort" in frame else frame.assign(cohort=cohort))
    columns = [*table.columns, *([] if "cohort" in table.columns else ["cohort"])]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=columns)


def _run(folder: Path, seed: int, resolved: dict[str, Any]) -> RunFiles:
    broken: list[str] = []
    frame = _read(read_predictions, folder / "predictions.parquet", broken)
    record = _read(read_json, folder / "run.json", broken) or {}
    log = _log(folder / "log.jsonl")
    made = {"regressions": [], "content_key": None} | ({} if frame is None else frame.attrs)
    old = "" if frame is None else stale(record, made["content_key"], resolved)
    answers = {} if frame is None or old else group(frame, seed)
    problem = "" if answers else old or "; ".join(broken) or _unfinished(folder, log)
    return RunFiles(seed, answers, record, log, made["regressions"] if answers else [], problem)


def _unfinished(folder: Path, log: pd.DataFrame) -> str:
    if (folder / "predictions.parquet").exists():
        return "predictions.parquet has no rows"
    if (folder / "model.safetensors").exists():
        return "trained, but not yet predicted"
    if len(log):
        return f"training stopped at step {int(log['step'].max())}; the same command goes on from its last checkpoint"
    return "not run"


def _log(path: Path) -> pd.DataFrame:
    """Return the log's lines that can be read; a run that was killed may have left half a line."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return pd.DataFrame(list(_parsed(lines)), columns=None if lines else ["step"])


def _parsed(lines: Iterable[str]) -> Iterable[dict[str, Any]]:
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict) and isinstance(value.get("step"), int | float):
            yield {key: item if isinstance(item, int | float) else np.nan for key, item in value.items()}
