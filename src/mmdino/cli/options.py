"""Options that several verbs share, and what the shell completes for them."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmdino.errors import UserError


def complete_experiment(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the experiments of the study that the line names so far."""
    return [name for name in _names(context, "experiments") if name.startswith(incomplete)]


def complete_cohort(context: typer.Context, incomplete: str) -> list[str]:
    """Offer the cohorts of the study that the line names so far."""
    return [name for name in _names(context, "cohorts") if name.startswith(incomplete)]


def _names(context: typer.Context, kind: Literal["experiments", "cohorts"]) -> list[str]:
    from mmdino.config import load_study

    try:
        loaded = load_study(context.params.get("study") or study_of_the_config(), check=False)
        return list(loaded.experiments if kind == "experiments" else loaded.study.cohorts)
    except UserError:
        return []  # no study named yet, or a wrong one: completing is no place to complain


def study_of_the_config() -> Path:
    """Return the study of ``config/config.yaml``."""
    from mmdino.config.chosen import chosen_study

    return chosen_study()


StudyFile = Annotated[
    Path,
    typer.Option(
        "--study",
        help="The study's YAML, e.g. config/studies/phantom.yaml; else that of config/config.yaml.",
        default_factory=study_of_the_config,
        show_default=False,
    ),
]
CohortName = Annotated[str, typer.Option("--cohort", help="A cohort of the study.", autocompletion=complete_cohort)]
Out = Annotated[Path, typer.Option("--out", help="What is written.")]
Experiment = Annotated[
    str, typer.Option("--experiment", help="An experiment of the study.", autocompletion=complete_experiment)
]
Seed = Annotated[int, typer.Option("--seed", help="The run's seed.")]
Splits = Annotated[Path, typer.Option("--splits", help="splits.tsv.")]
Results = Annotated[Path, typer.Option("--results", help="results/<study>.")]
ResultsIfSaid = Annotated[
    Path | None, typer.Option("--results", help="Else results/<study>, as config/config.yaml says.")
]
SliceFolders = Annotated[
    list[Path],
    typer.Option("--slices", help="A cohort's bank of slices, or of volumes for a method that reads these; repeat."),
]
