"""What can be compared: a folder of results, a study's file, or a commit; read into the same form."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mmdino.comparison.commit import commit_of, described_at
from mmdino.config.chosen import chosen_results
from mmdino.config.study import LoadedStudy, load_study
from mmdino.errors import UserError, nearest
from mmdino.evaluation.predictions import Answers, group, read_predictions, select
from mmdino.files import read_json
from mmdino.tables import MANIFEST, PREDICTIONS, SPLITS, TRUTH, Table, read_table

IDENTITY = ("method", "settings", "data_seen", "leak", "readout")  # of an arm: what makes it what it is
OF_ARMS = ("methods", "experiments", "more_experiments")  # of a study's settings; each arm's are compared by themselves


@dataclass(frozen=True)
class RunRead:
    """A run: its ``run.json``, and what it predicted for the external test with all sequences (None: nothing).

    ``readout``: that by which it is judged, its experiment's, or where that is not known the one that chose its weights.
    """

    record: dict[str, Any]
    readout: str
    answers: Answers | None
    people: pd.DataFrame  # subject → cohort, label

    @property
    def commit(self) -> str:
        """Return the commit that it was made by, or ""."""
        return str(self.record.get("git_commit") or "")


@dataclass(frozen=True)
class Side:
    """One of the two.

    Attributes:
        name: as it was asked for.
        folder: its results; need not be there.
        study: settings that concern all arms; empty where no study's file is known.
        configured: each arm's settings by the configuration; those that ran stand with the runs.
        runs: by arm, in the order of seeds.
        commit: that a commit is meant, and its runs alone.
    """

    name: str
    folder: Path
    study: dict[str, Any]
    configured: dict[str, dict[str, Any]]
    runs: dict[str, list[RunRead]]
    commit: str = ""

    @property
    def arms(self) -> dict[str, dict[str, Any]]:
        """Return each arm's settings: as all its seeds ran, else as it is configured."""
        records = {arm: [record] for arm, record in self.configured.items()}
        for arm, runs in self.runs.items():
            if ran := [{**run.record, "readout": run.readout} for run in runs if run.record]:
                records[arm] = ran
        parts = {arm: [{key: one[key] for key in IDENTITY if key in one} for one in of] for arm, of in records.items()}
        return {arm: _agreed(of) for arm, of in parts.items()}

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        """Return every ``run.json``."""
        return [run.record for runs in self.runs.values() for run in runs if run.record]

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """Return the manifests of all cohorts that are there."""
        return _joined(MANIFEST, self._files("cohorts/*/manifest.tsv"))

    @cached_property
    def splits(self) -> pd.DataFrame:
        """Return ``splits.tsv``, or an empty table."""
        return _joined(SPLITS, self._files("splits.tsv"))

    @cached_property
    def truth(self) -> pd.DataFrame:
        """Return the signs of phantom patients, or an empty table."""
        return _joined(TRUTH, self._files("truth/*.parquet"))

    def _files(self, pattern: str) -> list[Path]:
        """Return files of the results' folder; a commit that made no run there has no part in them."""
        return [] if self.commit and not self.runs else sorted(self.folder.glob(pattern))


def read_side(given: str, study: Path, results: Path | None) -> Side:
    """Read one side.

    Args:
        given: a folder ``results/<study>``, a study's YAML, or a commit (anything that git understands).
        study: of a commit: which study.
        results: of a commit: where the runs lie that it may have made; None: where ``config/config.yaml`` says.

    Raises:
        UserError: it is none of the three.
    """
    path = Path(given)
    if path.is_dir():
        loaded = _study_of(path)
        study_settings, arms = _settings(loaded)
        return _side(given, path, study_settings, arms, runs_in(path, arms))
    if path.suffix in (".yaml", ".yml"):
        loaded = load_study(path)
        folder = chosen_results(loaded.study.name)
        study_settings, arms = _settings(loaded)
        return _side(given, folder, study_settings, arms, runs_in(folder, arms))
    commit = commit_of(given, study)
    if commit is None:
        beside = [found.name for found in path.parent.iterdir() if found.is_dir()] if path.parent.is_dir() else []
        hint = nearest(path.name, beside) if len(path.parts) > 1 and beside else ""
        raise UserError(
            f"'{given}' is no folder of results, no study's YAML, and no commit here{hint}; name one of these, "
            "e.g. results/phantom, config/studies/phantom.yaml, HEAD~1"
        )
    described = described_at(commit, study)
    folder = results or chosen_results(described["study"]["name"])
    there = runs_in(folder, described["arms"])
    made = {arm: [run for run in runs if run.commit.startswith(commit)] for arm, runs in there.items()}
    return _side(given, folder, described["study"], described["arms"], made, commit)


def _side(
    name: str, folder: Path, study: dict, configured: dict, runs: dict[str, list[RunRead]], commit: str = ""
) -> Side:
    shared = {key: value for key, value in study.items() if key not in OF_ARMS}
    return Side(name, folder, shared, configured, {arm: found for arm, found in runs.items() if found}, commit)


def _study_of(folder: Path) -> LoadedStudy | None:
    """Return the study whose results a folder is by its name and place; None where there is none, or no longer."""
    path = folder.resolve().parent.parent / "config" / "studies" / f"{folder.resolve().name}.yaml"
    try:
        return load_study(path)
    except UserError:
        return None


def _settings(loaded: LoadedStudy | None) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    if loaded is None:
        return {}, {}
    arms = {name: {**loaded.resolved(name), "readout": one.readout} for name, one in loaded.experiments.items()}
    return loaded.study.model_dump(mode="json"), arms


def runs_in(folder: Path, configured: dict[str, dict[str, Any]]) -> dict[str, list[RunRead]]:
    """Return the runs below a folder of results by arm; ``configured``: what is known of the arms' read-outs."""
    found: dict[str, list[RunRead]] = {}
    places = [path for path in folder.glob("runs/*/seed-*") if path.name.removeprefix("seed-").isdigit()]
    for path in sorted(places, key=lambda path: (path.parent.name, int(path.name.removeprefix("seed-")))):
        readout = configured.get(path.parent.name, {}).get("readout")
        found.setdefault(path.parent.name, []).append(_run(path, readout))
    return found


def _run(folder: Path, readout: str | None) -> RunRead:
    record = read_json(folder / "run.json") if (folder / "run.json").exists() else {}
    path = folder / "predictions.parquet"
    frame = read_predictions(path) if path.exists() else pd.DataFrame(columns=list(PREDICTIONS.columns))
    readout = readout or record.get("selected_by", "cls")
    answers = select(group(frame, record.get("seed")), "test", readout) if len(frame) else None
    people = frame.drop_duplicates("subject").set_index("subject")[["cohort", "label"]]
    return RunRead(record, readout, answers if answers is not None and len(answers) else None, people)


def _agreed(values: list[Any]) -> Any:
    """Return what the seeds of an arm have in common; a setting in which they differ is all of theirs, in their order."""
    if all(isinstance(value, dict) for value in values):
        keys = dict.fromkeys(key for value in values for key in value)
        return {key: _agreed([value.get(key) for value in values]) for key in keys}
    return values[0] if all(value == values[0] for value in values) else "; ".join(map(str, values))


def _joined(table: Table, paths: list[Path]) -> pd.DataFrame:
    frames = [read_table(table, path) for path in paths]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(table.columns))
