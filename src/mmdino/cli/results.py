"""From predictions to what people read."""

from pathlib import Path
from typing import Annotated

import typer

from mmdino.cli.options import Experiment, Out, Results, ResultsIfSaid, Seed, SliceFolders, Splits, StudyFile
from mmdino.cli.runs import opened

PANEL = "Results"
verbs = typer.Typer()


@verbs.command(rich_help_panel=PANEL)
def oracle(
    study: StudyFile,
    splits: Splits,
    truth: Annotated[list[Path], typer.Option("--truth", help="A phantom cohort's truth; repeat.")],
    out: Out,
) -> None:
    """Compute the phantom's ceiling: what reading every sign without error would reach."""
    import pandas as pd

    from mmdino.config import load_study
    from mmdino.evaluation.evaluate import measure_all
    from mmdino.evaluation.subsets import SUBSETS
    from mmdino.files import write_json
    from mmdino.phantom.oracle import oracle_predictions
    from mmdino.tables import SPLITS, TRUTH, read_table

    chosen = load_study(study, check=False).study
    variants = {name: cohort.phantom.variant for name, cohort in chosen.cohorts.items() if cohort.phantom}
    truths = pd.concat([read_table(TRUTH, path) for path in truth])
    answers = oracle_predictions(truths, read_table(SPLITS, splits), variants, SUBSETS)
    found: dict[str, dict] = {}
    for row in measure_all(answers, chosen.evaluation.bootstrap)["metrics"]:
        if row["mcc"] is not None:
            interval = {"mcc": row["mcc"]["value"], "low": row["mcc"]["low"], "high": row["mcc"]["high"]}
            found.setdefault(row["split"], {})[row["sequences"]] = {**interval, "n": row["n"]}
    write_json(out, found)


@verbs.command(rich_help_panel=PANEL)
def insight(
    study: StudyFile,
    experiment: Experiment,
    seed: Seed,
    slices: SliceFolders,
    splits: Splits,
    run: Annotated[Path, typer.Option("--run", help="The run's folder.")],
    out: Annotated[Path, typer.Option("--out", help="The folder that is written, results/<study>/insight.")],
    forgiving: Annotated[bool, typer.Option("--forgiving", help="Where it fails, write why, and end well.")] = False,
) -> None:
    """Look into a trained network: attention, patch tokens, a map of features, how well the site is read from them."""
    import traceback

    from mmdino.config import load_study
    from mmdino.insight.look import failed
    from mmdino.insight.look import insight as look_into
    from mmdino.insight.record import write_insight

    loaded = load_study(study)
    chosen = loaded.experiment(experiment)
    try:
        found = look_into(opened(loaded, experiment, seed, slices, splits, run), chosen.method, chosen.readout)
    except Exception as error:
        if not forgiving:
            raise
        traceback.print_exc()
        found = failed(experiment, seed, error)
    write_insight(found, out)


@verbs.command(rich_help_panel=PANEL)
def statistics(study: StudyFile, results: Results) -> None:
    """Compute all intervals, tests and claims of a study from its predictions: results/<study>/statistics.json."""
    from mmdino.config import load_study
    from mmdino.reporting.data import gather
    from mmdino.reporting.statistics import estimate, write_statistics

    write_statistics(estimate(gather(load_study(study), results)), results)


@verbs.command(rich_help_panel=PANEL)
def tables(study: StudyFile, results: Results) -> None:
    """Write the tables as TSV, Markdown and LaTeX, from the statistics."""
    from mmdino.reporting.report import write_tables

    write_tables(*_found(study, results))


@verbs.command(rich_help_panel=PANEL)
def figures(study: StudyFile, results: Results) -> None:
    """Draw the figures as PDF, SVG and PNG, from the statistics."""
    from mmdino.reporting.drawing import write_figures

    write_figures(*_found(study, results))


@verbs.command(rich_help_panel=PANEL)
def report(
    study: StudyFile,
    results: ResultsIfSaid = None,
    page: Annotated[bool, typer.Option("--page", help="The page alone, from statistics and figures at hand.")] = False,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where it goes; else the study's folder, before the end `unfinished` in it."),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Build statistics, tables, figures and the report from the files that are there, also of a study half done."""
    from mmdino.cli.browser import open_page
    from mmdino.config import load_study
    from mmdino.config.chosen import chosen_results
    from mmdino.reporting.report import build_page, build_report, folder_of_report

    loaded = load_study(study)
    folder = results or chosen_results(loaded.study.name)
    made = build_page(loaded, folder) if page else build_report(loaded, folder, out or folder_of_report(loaded, folder))
    typer.echo(open_page(made) if show else made)


@verbs.command(rich_help_panel=PANEL)
def compare(
    a: Annotated[str, typer.Argument(help="A folder results/<study>, a study's YAML, or a commit.")],
    b: Annotated[str, typer.Argument(help="Another.")],
    study: StudyFile,
    results: ResultsIfSaid = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write it too: a .html or a .md file.")] = None,
    bootstrap: Annotated[int, typer.Option("--bootstrap", min=100, help="Resamples for intervals.")] = 2000,
) -> None:
    """Say what changed between two studies, or one at two commits: data, settings, results (--study: of a commit)."""
    from mmdino.comparison import show
    from mmdino.comparison.differences import compare as compare_sides
    from mmdino.comparison.sides import read_side

    show.require_known(out)
    sections = compare_sides(read_side(a, study, results), read_side(b, study, results), bootstrap)
    show.show(sections)
    if out:
        show.write(sections, f"{a} and {b} compared", out)
        typer.echo(out)


def _found(study: Path, results: Path):
    from mmdino.config import load_study
    from mmdino.reporting.data import gather
    from mmdino.reporting.statistics import read_statistics

    return gather(load_study(study), results), read_statistics(results)
