"""One self-contained HTML file from a study's results, finished or not; its figures and tables as files beside it."""

import base64
import hashlib
import os
import re
from collections.abc import Iterable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup, escape

from mmdino import __version__
from mmdino.config.chosen import command
from mmdino.config.experiment import Experiment
from mmdino.config.show import show
from mmdino.config.study import LoadedStudy
from mmdino.files import write_text
from mmdino.reporting import pictures, viewer
from mmdino.reporting.data import StudyFiles, gather
from mmdino.reporting.drawing import Drawn, drawn, sources, write_figures
from mmdino.reporting.error_tables import calibration_table, group_table, mistake_table, selective_table, site_table
from mmdino.reporting.figures import style
from mmdino.reporting.figures.fractions import SHARES
from mmdino.reporting.flow import flow_table
from mmdino.reporting.missing import missing_table, random_table
from mmdino.reporting.people import leakage_said, leakage_table, sequence_table
from mmdino.reporting.published import claim_table, published_table
from mmdino.reporting.quality import flagged_table, quality_table
from mmdino.reporting.rerun import departure_table, output_table, rerun_tables
from mmdino.reporting.results import ablation_table, comparison_table, main_table, metric_table, readout_table
from mmdino.reporting.sections import SECTIONS
from mmdino.reporting.statistics import NAME, Statistics, estimate, outdated, read_statistics, write_statistics
from mmdino.reporting.study import cohort_table, cost_table, failure_table, tuning_table
from mmdino.reporting.tables import Table
from mmdino.reporting.text import SHOWN

TEMPLATES = Path(__file__).parent / "templates"
VEGA = Path(__file__).parents[1] / "assets/vega/vega.js"


def build_report(study: LoadedStudy, results: Path, out: Path | None = None) -> Path:
    """Write all that people read: statistics, tables, figures, and the page of them.

    Figures are written as SVG, which the page shows; ``mmdino figures`` adds PDF and PNG, which take most of the time that
    drawing does. So that Snakemake sees that they are wanting, the folder is dated before the numbers.

    Args:
        study: its configuration.
        results: its folder, ``results/<study>``; whatever is missing there is said in the report.
        out: where it is written; None: into ``results``.

    Returns:
        The page's path.
    """
    processes = len(os.sched_getaffinity(0))
    data = gather(study, results, out, processes)
    if older := outdated(data.out):
        data.broken.append(f"{older.partition('; run')[0]}; all estimates were made anew")
    found = estimate(data, processes)
    write_statistics(found, data.out)
    tables = all_tables(data, found)
    for table in tables:
        table.write(data.out / "tables")
    write_figures(data, found, kinds=("svg",), processes=processes)
    before = (data.out / NAME).stat().st_mtime - 1
    os.utime(data.out / "figures", (before, before))
    return write_page(data, found, tables)


def folder_of_report(study: LoadedStudy, results: Path) -> Path:
    """Return where a report belongs: into ``results``, or while default runs lack predictions into ``unfinished`` there.

    Snakemake would take a report of an unfinished study for the finished one, and never make what is missing.
    """
    runs = (results / "runs" / name / f"seed-{seed}" for name in study.default for seed in study.seeds(name))
    return results if all((run / "predictions.parquet").exists() for run in runs) else results / "unfinished"


def build_page(study: LoadedStudy, results: Path) -> Path:
    """Write the page alone, from the statistics and figures at hand; all of it where those are of another version."""
    if outdated(results):
        return build_report(study, results)
    return write_page(gather(study, results), read_statistics(results))


def all_tables(data: StudyFiles, found: Statistics) -> list[Table]:
    """Return every table of the report."""
    rows = [*found.main, *found.ablations]
    results = [main_table(data, found.main), ablation_table(data, found.ablations), comparison_table(data, rows)]
    results += [metric_table(data, rows), readout_table(data, found.readouts)]
    missing = [missing_table(data, found.missing), random_table(data, found.random)]
    paper = [published_table(data, found.readouts), claim_table(found.claims)]
    errors = [group_table(data, found.groups), calibration_table(data, found.calibration)]
    errors += [selective_table(data, found.selective), mistake_table(data, found.mistakes), site_table(data)]
    people = [cohort_table(data), flow_table(data), sequence_table(data), leakage_table(data), failure_table(data)]
    people += [quality_table(data), flagged_table(data)]
    study = [cost_table(data), tuning_table(data), *rerun_tables(data), departure_table(data)]
    tables = [*results, *missing, *errors, *paper, *people, *study]
    return [*tables, output_table(data, tables, sources(data, found))]


def write_tables(data: StudyFiles, found: Statistics) -> None:
    """Write ``tables/`` (TSV, Markdown, LaTeX)."""
    for table in all_tables(data, found):
        table.write(data.out / "tables")


def write_page(data: StudyFiles, found: Statistics, tables: list[Table] | None = None) -> Path:
    """Write ``report.html``, with the figures that lie in ``figures/``; ``tables``: :func:`all_tables`, where at hand."""
    page = _environment().get_template("report.html").render(_content(data, found, tables or all_tables(data, found)))
    write_text(data.out / "report.html", page)
    return data.out / "report.html"


def _content(data: StudyFiles, found: Statistics, tables: list[Table]) -> dict[str, Any]:
    figures = drawn(data, found)
    shown, all_pictures = pictures.sample(data)
    viewed, viewer_problems = viewer.sample(data)
    return {
        "data": data,
        "study": data.study.study,
        "sections": SECTIONS,
        "titled": data.titled,
        "claims": found.claims,
        "tables": {table.name: table for table in tables},
        "figures": figures,
        "scripts": _scripts(figures.values()),
        "colours": {name: mark.colour for name, mark in style.marks(data).items()},
        "pictures": shown,
        "all_pictures": all_pictures,
        "leakage": leakage_said(data),
        "viewed": viewed,
        "viewer_problems": viewer_problems,
        "outlines": viewer.OUTLINES,
        "columns": viewer.COLUMNS,
        "sequences": SHOWN,
        "facts": _facts(data),
        "unmade": _unmade(data),
        "again": partial(command, data.study.study.name),
        "configuration": yaml.safe_dump(data.study.study.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        "settings": [(arm.title, show(data.study, arm.name)) for arm in data.shown()],
        "versions": _versions(data),
    }


def _unmade(data: StudyFiles) -> dict[str, str]:
    """Return what stands in place of the ablations' figures where they have no numbers, by their names."""
    again = partial(command, data.study.study.name)
    ablations = [arm for arm in data.arms if arm.experiment.group == "ablation"]
    said = {"ablations": f"No ablation has predictions yet: run `{again('ablations')}`."}
    if not ablations:
        said["ablations"] = "The study has no ablation."
    elif any(arm.done for arm in ablations):
        said["ablations"] = "No ablation can be compared with the reference arm yet."
    fewer = "fewer labels or fewer unlabelled patients"
    shared = [name for name, family in data.study.families.items() if any(map(_sees_a_share, family))]
    run = f"No run with {fewer} beside one with all of them yet: run `{again(' '.join(shared))}`."
    return said | {"fractions": run if shared else f"The study has no experiment with {fewer}."}


def _sees_a_share(experiment: Experiment) -> bool:
    return any(getattr(experiment.data, share) < 1 for share in SHARES)


def _facts(data: StudyFiles) -> dict[str, str]:
    """Return what identifies the study, for the head of the page."""
    runs = [run for arm in data.shown() for run in arm.runs]
    done = sum(bool(run.answers) for run in runs)
    return {
        "Study": data.study.study.name,
        "Built": date.today().isoformat(),
        "Commit": _distinct(data, "git_commit", 19),
        "Data": _distinct(data, "data", 16),
        "Runs": f"{done} of {len(runs)}",
    }


def _distinct(data: StudyFiles, key: str, length: int) -> str:
    found = sorted({str(record.get(key) or "unknown") for record in data.records})
    shortened = [value[:12] + ("-dirty" if value.endswith("-dirty") else "") for value in found]
    return ", ".join(text[:length] for text in shortened) or "no run yet"


def _versions(data: StudyFiles) -> dict[str, str]:
    """Return the packages' versions in the runs; where runs differ, all of them."""
    found: dict[str, set[str]] = {"mmdino (report)": {__version__}}
    for record in data.records:
        for package, version in record.get("versions", {}).items():
            found.setdefault(package, set()).add(str(version))
    return {package: ", ".join(sorted(versions)) for package, versions in found.items()}


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["style"] = Markup(_joined("page.css", "viewer.css", "data.css"))
    environment.filters["code"] = _code
    return environment


def _scripts(figures: Iterable[Drawn]) -> list[dict[str, Markup]]:
    """Return the page's scripts with the hashes by which alone it lets them run: Vega's where a chart needs it, and ours."""
    texts = [_joined("page.js", "points.js", "charts.js", "viewer.js")]
    if any(figure.chart for figure in figures):
        texts.insert(0, VEGA.read_text(encoding="utf-8"))
    return [{"text": Markup(text), "hash": Markup(_hash(text))} for text in texts]


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _joined(*names: str) -> str:
    return "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _code(sentence: str) -> Markup:
    """Return text with `commands` set as such, everything escaped."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(sentence))))
