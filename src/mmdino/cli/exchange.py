"""To other tools and back."""

from pathlib import Path
from typing import Annotated

import typer

from mmdino.cli.options import Out, ResultsIfSaid, StudyFile
from mmdino.errors import UserError

PANEL = "Data"
verbs = typer.Typer()


@verbs.command(rich_help_panel=PANEL)
def export(
    study: StudyFile,
    out: Annotated[Path, typer.Option("--out", help="A folder of data sets, one a cohort.")],
    layout: Annotated[str, typer.Option("--layout", help="mm-dinov2 (the authors' code reads it) or bids.")] = "bids",
    results: ResultsIfSaid = None,
    link: Annotated[bool, typer.Option("--link", help="Symbolic links instead of copies.")] = False,
) -> None:
    """Write a study's preprocessed patients with their labels as another tool reads them."""
    import pandas as pd

    from mmdino.config import load_study
    from mmdino.config.chosen import chosen_results, command
    from mmdino.exchange.export import export as write
    from mmdino.preprocess.atlas import load_atlas
    from mmdino.tables import MANIFEST, PREPROCESSED, read_table

    loaded = load_study(study, check=False)
    cohorts = (results or chosen_results(loaded.study.name)) / "cohorts"
    names = [name for name in loaded.study.cohorts if (cohorts / name / "preprocessed.tsv").exists()]
    if not names:
        first = command(loaded.study.name, "preprocess")
        raise UserError(f"{cohorts}: no cohort has been preprocessed; run `{first}` first")
    manifest = pd.concat([read_table(MANIFEST, cohorts / name / "manifest.tsv") for name in names])
    ready = pd.concat([read_table(PREPROCESSED, cohorts / name / "preprocessed.tsv") for name in names])
    written = write(manifest, ready, layout, load_atlas(loaded.study.preprocess.atlas), out, link)
    typer.echo(f"{written} patients of {', '.join(names)} → {out}")


@verbs.command("import", rich_help_panel=PANEL)
def take_in(
    root: Annotated[Path, typer.Argument(help="A BIDS data set, or one in MM-DINOv2's layout.")],
    name: Annotated[str, typer.Option("--name", help="What the study shall call the cohort.")],
    out: Out,
) -> None:
    """Check a data set that was preprocessed elsewhere, file by file; write its manifest and say what a study needs."""
    from mmdino.exchange.taken_in import take_in as read
    from mmdino.tables import MANIFEST, write_table

    manifest, cohort = read(name, root)
    write_table(MANIFEST, manifest, out)
    unusable = manifest[manifest["excluded"] != ""]
    for row in unusable.itertuples():
        typer.echo(f"{row.subject}: {row.excluded}")
    typer.echo(f"{len(manifest) - len(unusable)} of {len(manifest)} sessions are usable. Under `cohorts` of the study:")
    typer.echo(f"  {name}: {{adapter: {cohort.adapter}, stage: {cohort.stage}, path: {cohort.path}}}")
