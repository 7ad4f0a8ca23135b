"""How to rerun: the commands, the target behind every table and figure, and what differs from the paper."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mmdino.config.chosen import command
from mmdino.config.show import choices
from mmdino.config.sources import PAPER_OR_CODE
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.sections import SECTIONS
from mmdino.reporting.tables import Table, text

# Part of the report, what Snakemake is given to make it again, and what for.
PARTS = (
    ("All that is not run yet, and this report", "", "what is up to date stays as it is"),
    ("Data and quality, from the scans", "preprocess", "after new scans, decisions or thresholds; trains nothing"),
    ("Every interval, test and claim", "--forcerun statistics", "from the predictions that are there"),
    ("Every table and figure", "--forcerun tables figures", "from the estimates; figures as PDF, SVG and PNG"),
    ("This page", "--forcerun report", "from the tables and figures"),
)


def rerun_tables(data: StudyFiles) -> list[Table]:
    """Return for each part of the report the command that makes it again; and the same of arms that nobody has run."""
    study = data.study.study.name
    lines = [{"part": part, "command": command(study, target), "question": why} for part, target, why in PARTS]
    shown = [arm.name for arm in data.shown()]
    arms = [{"part": arm.title, "command": arm.command, "question": arm.experiment.question} for arm in data.arms]
    lines += [line for arm, line in zip(data.arms, arms) if arm.name in shown]
    further = [line for arm, line in zip(data.arms, arms) if arm.name not in shown]
    return [
        _commands(data, "rerun", "How to run each part again", lines),
        _commands(data, "further", "Experiments that nobody has run yet", further),
    ]


def _commands(data: StudyFiles, name: str, title: str, lines: list[dict[str, str]]) -> Table:
    return Table(
        name=name,
        title=title,
        frame=pd.DataFrame(lines, columns=["part", "command", "question"]),
        columns=[text("Part", "part"), text("Command", "command", code=True), text("What for", "question")],
        source=str(data.study.path),
    )


def output_table(data: StudyFiles, tables: Sequence[Table], figures: dict[str, str]) -> Table:
    """Return for every table and figure its file, what it is made from, and the command that makes it again.

    Args:
        data: the study.
        tables: all others of the report.
        figures: what each figure is made from, by its name.
    """
    sources = {table.name: table.source for table in tables}
    lines = []
    for section in SECTIONS:
        place = {"section": section.link, "command": command(data.study.study.name, section.target)}
        for name in section.tables:
            if name in sources:
                lines.append({"file": f"tables/{name}.tsv", "source": sources[name], **place})
        for name in section.figures:
            lines.append({"file": f"figures/{name}.svg", "source": figures[name], **place})
    return Table(
        name="outputs",
        title="Every table and figure",
        frame=pd.DataFrame(lines, columns=["file", "source", "section", "command"]),
        columns=[
            text("File", "file", code=True),
            text("In section", "section"),
            text("Made from", "source", code=True),
            text("Made again by", "command", code=True),
        ],
        source="statistics.json, and the files named",
        note="Tables also as .md and .tex. Figures also as .pdf and .png, for print: "
        f"`{command(data.study.study.name, 'figures')}`.",
    )


def departure_table(data: StudyFiles) -> Table:
    """Return each setting of an arm that is not what the paper or its released code says."""
    lines: list[dict[str, Any]] = []
    for arm in data.shown():
        for choice in choices(data.study, arm.name):
            if choice.default_source in PAPER_OR_CODE and choice.value != choice.default:
                said = {"setting": choice.name, "published": str(choice.default), "here": str(choice.value)}
                said |= {"said_by": choice.default_source, "chosen_by": choice.source}
                lines.append({"experiment": arm.name, "arm": arm.title, **said})
    return Table(
        name="departures",
        title="Settings that differ from the paper's",
        frame=pd.DataFrame(
            lines, columns=["experiment", "arm", "setting", "published", "said_by", "here", "chosen_by"]
        ),
        columns=[
            text("Arm", "arm"),
            text("Setting", "setting"),
            text("Published", "published"),
            text("Said by", "said_by"),
            text("Here", "here"),
            text("Chosen by", "chosen_by"),
        ],
        source=str(data.study.path),
        swatch="experiment",
        note="What the released code does otherwise than the paper says, and how it is mended here, is in docs/method.md.",
    )
