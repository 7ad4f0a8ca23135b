"""Making again what the project carries."""

from pathlib import Path
from typing import Annotated

import typer

from mmdino.cli.options import Out

PANEL = "What the project carries"
verbs = typer.Typer()


@verbs.command(rich_help_panel=PANEL)
def starter(
    out: Out,
    work: Annotated[Path, typer.Option("--work", help="A folder for its images and checkpoints; resumes from it.")],
    patients: Annotated[int, typer.Option("--patients", min=16)] = 6000,
    mark: Annotated[list[int] | None, typer.Option("--mark", help="Steps at which an annealed copy is made.")] = None,
) -> None:
    """Train the starter network from nothing, without labels, on phantoms of no study (hours)."""
    from mmdino.starter.train import Recipe, train_starter

    recipe = Recipe(patients=patients, marks=tuple(mark)) if mark else Recipe(patients=patients)
    train_starter(work, out, recipe)


@verbs.command(rich_help_panel=PANEL)
def segmenter(
    out: Annotated[Path, typer.Option("--out", help="The model folder.")],
    work: Annotated[Path, typer.Option("--work", help="A folder for its training cases.")],
    patients: Annotated[int, typer.Option("--patients", min=5)] = 24,
    iterations: Annotated[int, typer.Option("--iterations", min=1)] = 1000,
) -> None:
    """Train the phantom segmenter from nothing: a real nnU-Net on whole-brain phantoms of no study."""
    from mmdino.phantom.segmenter_cases import write_cases
    from mmdino.preprocess.train_segmenter import train_segmenter

    write_cases(work, patients)
    train_segmenter(work, out, iterations=iterations)
