"""The same budget of trials for every experiment: settings searched on validation, by Optuna, resumable.

The test split is taken out of the patients before anything is built, so that no trial can look at it.
"""

from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm import tqdm

from mmdino.config import Experiment, MethodSettings, Space
from mmdino.config.strict import parse
from mmdino.dataset.patients import Patients
from mmdino.errors import UserError
from mmdino.files import atomic, content_key, read_json, stable_hash, write_json
from mmdino.methods.base import Run
from mmdino.training.fit import fit
from mmdino.training.interrupt import Preempted

ENDED = (TrialState.COMPLETE, TrialState.FAIL)


def tune(
    experiment: Experiment, settings: MethodSettings, patients: Patients, seed: int, trials: int, folder: Path
) -> dict[str, Any]:
    """Search the experiment's spaces, or go on where the search was stopped, and write what was found.

    The first trial is the settings as they are. A trial is a training with one seed; its value is the validation MCC of
    the experiment's read-out at the step that its training kept. A trial whose settings don't fit together, or whose
    training diverges, counts and has failed. Each trial's proposal is a function of the seed and the trials before.

    Args:
        experiment: whose ``tune`` names the settings.
        settings: as the study resolves them.
        patients: without the test split.
        seed: of the proposals and of every training.
        trials: the budget.
        folder: ``results/<study>/tuning/<experiment>``; holds the journal, a folder a trial, ``trials.tsv``,
            ``best.json``.

    Returns:
        The content of ``best.json``.

    Raises:
        UserError: the experiment names no search space, the patients hold test patients, or no trial succeeded.
        Preempted: SIGTERM came; the same call goes on.
    """
    _check(experiment, patients)
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    identity = _identity(experiment, settings, patients, seed)
    spaces = {name: space.model_dump() for name, space in experiment.tune.items()}
    search = optuna.create_study(
        study_name=content_key([experiment.name, identity, spaces]),
        storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
        direction="maximize",
        load_if_exists=True,
    )
    _take_up(search)
    if not search.trials:
        search.enqueue_trial({name: getattr(settings, name) for name in experiment.tune})
    ended = len(search.get_trials(deepcopy=False, states=ENDED))
    for number in tqdm(range(ended, trials), f"trials of {experiment.name}", trials, initial=ended, disable=None):
        search.sampler = optuna.samplers.TPESampler(seed=stable_hash("tune", seed, number) % 2**32)
        trial = search.ask()
        try:
            search.tell(trial, _value(trial, experiment, settings, patients, seed, folder))
        except Preempted:
            raise  # the trial is left running, and taken up by the next call
        except UserError as error:
            trial.set_user_attr("reason", str(error))
            search.tell(trial, state=TrialState.FAIL)
    return _found(search, experiment, trials, folder)


def _check(experiment: Experiment, patients: Patients) -> None:
    if not experiment.tune:
        raise UserError(f"experiment '{experiment.name}' names no search space; add 'tune: {{setting: …}}' to its file")
    if patients.select("test"):
        raise UserError("tuning was given test patients; settings are chosen on validation alone")


def _identity(experiment: Experiment, settings: MethodSettings, patients: Patients, seed: int) -> dict[str, Any]:
    """Return what a search's proposals and its trials' trainings depend on, besides the spaces.

    What is searched is not among it: a search remains the same once what it found is in use.
    """
    fixed = settings.model_dump(mode="json", exclude=set(experiment.tune))
    return {"settings": fixed, "seed": seed, "data": patients.fingerprint()}


def _take_up(search: optuna.Study) -> None:
    """Put a trial that was killed back into the queue; its training goes on from its checkpoint."""
    for trial in search.get_trials(states=(TrialState.RUNNING,)):
        search.enqueue_trial(trial.params)
        search.tell(trial.number, state=TrialState.PRUNED)  # ended, and not counted


def _value(
    trial: Trial, experiment: Experiment, settings: MethodSettings, patients: Patients, seed: int, folder: Path
) -> float:
    chosen = {name: _suggest(trial, name, space) for name, space in experiment.tune.items()}
    tried = {**settings.model_dump(mode="json"), **chosen}
    # Another search of this folder may have chosen the same, of other settings, splits or seed
    key = content_key([_identity(experiment, settings, patients, seed), chosen])
    run = Run(
        parse(type(settings), tried, f"trial {trial.number} of '{experiment.name}'"),
        seed,
        folder / f"trial-{key}",
        patients,
    )
    if not (run.folder / "run.json").exists():
        fit(run, experiment.method, {"experiment": experiment.name, "method": experiment.method, "settings": tried})
    return float(read_json(run.folder / "run.json")["best"]["mcc"][experiment.readout])


def _suggest(trial: Trial, name: str, space: Space) -> Any:
    if space.choices is not None:
        return trial.suggest_categorical(name, space.choices)
    low, high = space.low, space.high
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(name, low, high, log=space.log)
    assert low is not None
    assert high is not None
    return trial.suggest_float(name, low, high, log=space.log)


def _found(search: optuna.Study, experiment: Experiment, budget: int, folder: Path) -> dict[str, Any]:
    ended: list[FrozenTrial] = search.get_trials(deepcopy=False, states=ENDED)
    rows = [
        {"trial": t.number, "state": t.state.name.lower(), "mcc": t.value, **t.params, **t.user_attrs} for t in ended
    ]
    with atomic(folder / "trials.tsv") as temporary:
        pd.DataFrame(rows).to_csv(temporary, sep="\t", index=False)
    done = [trial for trial in ended if trial.state is TrialState.COMPLETE]
    if not done:
        raise UserError(f"{folder}: all {len(ended)} trials failed; look at the log, and narrow the search space")
    best = max(done, key=lambda trial: trial.value if trial.value is not None else -2.0)
    found = {
        "experiment": experiment.name,
        "trials": len(ended),
        "budget": budget,
        "readout": experiment.readout,
        "first_mcc": ended[0].value,
        "best": {"trial": best.number, "mcc": best.value, "settings": best.params},
    }
    write_json(folder / "best.json", found)
    return found
