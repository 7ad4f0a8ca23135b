"""One self-contained HTML file from a study's results, finished or not; its figures and tables as files beside it."""

import base64
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from mmdino import __version__
from mmdino.config.study import LoadedStudy
from mmdino.files import write_text
from mmdino.reporting import pictures
from mmdino.reporting.claims import claims
from mmdino.reporting.data import SNAKEMAKE, StudyFiles, gather
from mmdino.reporting.estimates import main_rows, missing_cells
from mmdino.reporting.figures import style
from mmdino.reporting.figures.confusion import confusion_matrices
from mmdino.reporting.figures.main import external_mcc
from mmdino.reporting.figures.missing import heat_map, one_missing
from mmdino.reporting.figures.training import training_curves
from mmdino.reporting.results import main_table, missing_table, readout_table
from mmdino.reporting.study import cohort_table, cost_table, failure_table, rerun_table
from mmdino.reporting.svg import inline

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Drawn:
    """A figure on the page."""

    svg: Markup
    name: str
    caption: str
    source: str


def build_report(study: LoadedStudy, results: Path) -> Path:
    """Write ``report.html`` into a study's folder, and its ``figures/`` (PDF, SVG, PNG) and ``tables/`` (TSV).

    Args:
        study: its configuration.
        results: its folder, ``results/<study>``; whatever is missing there is said in the report.

    Returns:
        The page's path.
    """
    data = gather(study, results)
    page = _environment().get_template("report.html").render(_content(data))
    write_text(results / "report.html", page)
    return results / "report.html"


def _content(data: StudyFiles) -> dict[str, Any]:
    rows, cells = main_rows(data), missing_cells(data)
    made = [main_table(data, rows), readout_table(data), missing_table(data, cells)]
    made += [cohort_table(data), failure_table(data), cost_table(data), rerun_table(data)]
    for table in made:
        table.write(data.results / "tables")
    shown, all_pictures = pictures.sample(data)
    return {
        "data": data,
        "study": data.study.study,
        "titled": data.titled,
        "claims": claims(data, rows),
        "tables": {table.name: table for table in made},
        "figures": _figures(data, rows, cells),
        "colours": {name: mark.colour for name, mark in style.marks(data).items()},
        "pictures": shown,
        "all_pictures": all_pictures,
        "facts": _facts(data),
        "snakemake": SNAKEMAKE,
        "configuration": yaml.safe_dump(data.study.study.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        "settings": {arm.title: _settings(data, arm.name) for arm in data.arms},
        "versions": _versions(data),
    }


def _figures(data: StudyFiles, rows: list, cells: list) -> dict[str, Drawn]:
    """Draw and write every figure for which there are numbers."""
    plans: dict[str, tuple[Callable[[], Figure | None], str, str]] = {
        "external-mcc": (
            lambda: external_mcc(data, rows),
            "MCC of each arm on the external test with its 95 % interval; dashed: majority class and sign oracle.",
            data.source("tables", "main.tsv"),
        ),
        "missing-sequences": (
            lambda: heat_map(data, cells),
            "MCC by sequences at hand. Filled dots: the patient has the sequence. An arm read out by its own head "
            "is never refitted and stands under transfer only.",
            data.source("tables", "missing-sequences.tsv"),
        ),
        "one-missing": (
            lambda: one_missing(data, cells),
            "The cases that a clinic meets: everything is there, or one sequence is missing.",
            data.source("tables", "missing-sequences.tsv"),
        ),
        "confusion": (
            lambda: confusion_matrices(data),
            "Rows: true class; columns: predicted class; patients, and their share of the row.",
            data.source("runs", "*", "seed-*", "predictions.parquet"),
        ),
        "training": (
            lambda: training_curves(data),
            "Losses of different methods are different sums and don't compare. Ringed: the weights that were kept. "
            "A teacher whose entropy stays at the dashed line tells its student nothing.",
            data.source("runs", "*", "seed-*", "log.jsonl"),
        ),
    }
    drawn = {}
    for name, (draw, caption, source) in plans.items():
        with style.styled():
            figure = draw()
            if figure is not None:
                path = style.save(figure, data.results / "figures", name)
                drawn[name] = Drawn(inline(path, caption), name, caption, source)
    return drawn


def _facts(data: StudyFiles) -> dict[str, str]:
    """Return what identifies the study, for the head of the page."""
    runs = [run for arm in data.arms for run in arm.runs]
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


def _settings(data: StudyFiles, name: str) -> str:
    return yaml.safe_dump(data.study.resolved(name), sort_keys=False, allow_unicode=True)


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
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    environment.globals["script"] = Markup(script)
    environment.globals["script_hash"] = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment.globals["style"] = Markup((TEMPLATES / "page.css").read_text(encoding="utf-8"))
    environment.filters["code"] = _code
    return environment


def _code(sentence: str) -> Markup:
    """Return text with `commands` set as such, everything escaped."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(sentence))))
