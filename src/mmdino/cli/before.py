"""What one asks before a study runs."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from mmdino.cli.options import StudyFile, complete_experiment
from mmdino.errors import UserError

PANEL = "Before a study"
verbs = typer.Typer()
cohorts = typer.Typer(no_args_is_help=True, help="The cohorts as downloaded: `mmdino cohorts check`.")
verbs.add_typer(cohorts, name="cohorts", rich_help_panel=PANEL)


@cohorts.command()
def check(paths: Annotated[list[Path], typer.Argument(help="Folders of unpacked cohorts.")]) -> None:
    """Say what lies in each folder: whose cohort, what is missing, labels, counts against the published ones."""
    from mmdino.cohorts.common.check import check_folders

    typer.echo("\n\n".join(check_folders(paths)))


def cluster_at_hand() -> str:
    """Return slurm where jobs can be submitted from, else local."""
    return "slurm" if shutil.which("sbatch") else "local"


@verbs.command(rich_help_panel=PANEL)
def doctor(
    study: StudyFile,
    cluster: Annotated[
        Literal["slurm", "local"],
        typer.Option(
            "--cluster",
            help="Where jobs shall run; else slurm where there is an sbatch on PATH, and local where there is none.",
            default_factory=cluster_at_hand,
            show_default=False,
        ),
    ],
    results: Annotated[
        Path | None, typer.Option("--results", help="Where results go; else as config/config.yaml says.")
    ] = None,
    profile: Annotated[Path, typer.Option("--profile", help="The profile's folder.")] = Path("profiles/slurm"),
) -> None:
    """Say what this machine or cluster offers, and what would stop a study (exit code 2), before anything is queued."""
    from mmdino.config import load_study
    from mmdino.config.chosen import chosen_results
    from mmdino.launch.doctor import examine

    loaded = load_study(study)
    found = examine(loaded, results or chosen_results(loaded.study.name).parent, cluster, profile)
    for finding in found:
        typer.echo(f"{finding.level:5} {finding.what:16} {finding.said}")
    stops = [finding.what for finding in found if finding.level == "STOP"]
    if stops:
        raise UserError(f"{study}: would be stopped by: {', '.join(stops)}; mend the lines marked STOP")


@verbs.command(rich_help_panel=PANEL)
def show_config(
    study: StudyFile,
    experiment: Annotated[str, typer.Argument(help="An experiment of the study.", autocompletion=complete_experiment)],
) -> None:
    """Print an experiment's settings as resolved in a study, each with where it comes from."""
    from mmdino.config import load_study
    from mmdino.config.show import show

    typer.echo(show(load_study(study), experiment))
