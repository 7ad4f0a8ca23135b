"""The report's sections in reading order: what stands in each, and the command that makes it again.

As light as it is, the workflow reads it too.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A section; its text is ``templates/sections/<name>.html``.

    Attributes:
        name: its id on the page.
        link: what the page's navigation calls it.
        target: what Snakemake is given to make it again.
        does: what that does, and what not: "which …".
        tables: the names of those that stand in it.
        figures: likewise.
    """

    name: str
    link: str
    target: str
    does: str
    tables: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()


SECTIONS = (
    Section(
        "answer",
        "Answer",
        "--forcerun statistics",
        "computes every interval, test and claim from the predictions again",
        tables=("claims", "published"),
    ),
    Section(
        "main",
        "Main table",
        "--forcerun statistics",
        "computes all intervals and tests from the predictions again; arms that are up to date are not trained again",
        tables=("main", "comparisons", "metrics", "readouts"),
        figures=("external-mcc",),
    ),
    Section(
        "missing",
        "Missing sequences",
        "missing-sequences",
        "asks the default arms under all 15 sets, trains those that are not there yet, and writes tables and figures",
        tables=("missing-sequences", "random-missing"),
        figures=("missing-sequences", "by-count", "one-missing", "random-missing"),
    ),
    Section(
        "ablations",
        "Ablations",
        "ablations all",
        "runs every ablation of the study that is not up to date, also those on request, and builds this report",
        tables=("ablations",),
        figures=("ablations", "fractions"),
    ),
    Section(
        "errors",
        "Errors",
        "--forcerun statistics",
        "computes calibration, selective prediction and mistakes from the predictions again",
        tables=("groups", "calibration", "selective", "mistakes"),
        figures=("confusion", "groups", "calibration", "selective", "mistakes"),
    ),
    Section(
        "sees",
        "What it sees",
        "--forcerun insight",
        "looks into the trained network of the reference arm again, without training it",
        tables=("sites",),
        figures=("attention", "tokens", "feature-map", "embeddings"),
    ),
    Section(
        "data",
        "Data",
        "preprocess all",
        "preprocesses, judges and splits what is not up to date, and builds this report",
        tables=("cohorts", "flow", "sequences", "leakage", "quality", "flagged", "failures"),
        figures=("flow", "quality"),
    ),
    Section(
        "cost",
        "Cost",
        "--forcerun tables figures",
        "reads the runs' records again; what a run costs is measured when it trains, and not before",
        tables=("cost", "tuning"),
        figures=("cost", "training"),
    ),
    Section(
        "rerun",
        "Run again",
        "--forcerun report",
        "builds this page again from statistics, tables and figures",
        tables=("rerun", "further", "outputs", "departures"),
    ),
)


def section_of(kind: str, name: str) -> str:
    """Return, numbered in reading order, the section in which one of the ``tables`` or ``figures`` stands."""
    for number, section in enumerate(SECTIONS, start=1):
        if name in getattr(section, kind):
            return f"{number} {section.link}"
    return "Others"
