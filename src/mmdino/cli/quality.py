"""Quality control by hand."""

from pathlib import Path
from typing import Annotated

import typer

from mmdino.cli.options import ResultsIfSaid, StudyFile, complete_cohort

PANEL = "Data"
verbs = typer.Typer()


@verbs.command(rich_help_panel=PANEL)
def qc(
    study: StudyFile,
    results: ResultsIfSaid = None,
    cohort: Annotated[
        list[str] | None, typer.Option("--cohort", help="Which; repeat. Else all.", autocompletion=complete_cohort)
    ] = None,
    subject: Annotated[list[str] | None, typer.Option("--subject", help="Whom; repeat. Else everybody.")] = None,
) -> None:
    """Draw and measure preprocessed patients again, from what is on disk, and say who is flagged and who is left out."""
    from mmdino.config import load_study
    from mmdino.config.chosen import chosen_results
    from mmdino.preprocess.atlas import load_atlas
    from mmdino.preprocess.quality.again import look_again
    from mmdino.preprocess.quality.judge import gather_cohort, said
    from mmdino.tables import MANIFEST, PREPROCESSED, read_table, write_table

    loaded = load_study(study, check=False)
    folder = results or chosen_results(loaded.study.name)
    atlas = load_atlas(loaded.study.preprocess.atlas)
    for name in cohort or list(loaded.study.cohorts):
        loaded.cohort(name)
        home = folder / "cohorts" / name
        shards = [home / "preprocessed" / f"shard-{number}.tsv" for number in range(loaded.study.shards)]
        for problem in look_again(home, shards, folder / "derivatives" / name, atlas, subject):
            typer.echo(f"{name}: {problem}", err=True)
        judged = gather_cohort(shards, read_table(MANIFEST, home / "manifest.tsv"), loaded.study, name)
        out = home / "preprocessed.tsv"
        if not out.exists() or not read_table(PREPROCESSED, out).equals(judged):
            write_table(PREPROCESSED, judged, out)
        typer.echo("\n".join(said(judged, name)))
        typer.echo(f"  pictures: {Path(folder) / 'derivatives' / name / 'figures'}")
