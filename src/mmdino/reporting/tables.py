"""The report's tables: once as numbers for TSV, once as text for the page, Markdown and LaTeX."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mmdino.evaluation.compare import Estimate
from mmdino.files import write_text
from mmdino.reporting.data import Arm
from mmdino.reporting.text import NONE, score, span

MOST_ROWS = 1000  # that a page shows of a table
LATEX = {"−": "$-$", "–": "--", "\u00a0": "~", "±": r"$\pm$", "≥": r"$\geq$", "…": r"\dots{}"}


@dataclass(frozen=True)
class Column:
    """A column of the page.

    Attributes:
        label: its head.
        show: from a row (a dict of the TSV's columns) to text.
        sort: the TSV column by which it is sorted; None: by its text.
        number: aligned right, in figures of equal width.
        code: set as a command.
        help: what the head means, for whom hovers or listens.
    """

    label: str
    show: Callable[[dict[str, Any]], str]
    sort: str | None = None
    number: bool = True
    help: str = ""
    code: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        name: of the TSV.
        title: caption.
        frame: numbers, a row a row.
        columns: of the page.
        source: the files that it is made from.
        emphasised: the row (by its first TSV column) that stands out.
        swatch: the TSV column whose value is looked up among the arms' colours.
        note: below the table.
    """

    name: str
    title: str
    frame: pd.DataFrame
    columns: list[Column]
    source: str
    emphasised: str = ""
    swatch: str = ""
    note: str = ""

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Return the rows with the cells' texts and sort keys."""
        shown = []
        records: list[dict[str, Any]] = self.frame.to_dict("records")  # type: ignore[assignment]
        for row in records:
            cells = [{"text": column.show(row), "key": self._key(column, row)} for column in self.columns]
            first = next(iter(row.values()))
            shown.append({"cells": cells, "emphasised": first == self.emphasised, "swatch": row.get(self.swatch, "")})
        return shown

    @property
    def shown(self) -> list[dict[str, Any]]:
        """Return the rows that the page shows; the files have all."""
        return self.rows[:MOST_ROWS]

    @cached_property
    def texts(self) -> dict[str, str]:
        """Return the table as ``tsv`` (all its numbers), and what the page shows as ``md`` and ``tex`` (booktabs)."""
        cells = [[cell["text"] for cell in row["cells"]] for row in self.rows]
        shown = pd.DataFrame(cells, columns=[column.label for column in self.columns])
        sides = ["right" if column.number else "left" for column in self.columns]
        barred = shown.map(lambda text: text.replace("|", "\\|"))
        body = shown.to_latex(index=False, escape=True, column_format="".join(side[0] for side in sides))
        for character, command in LATEX.items():
            body = body.replace(character, command)
        markdown = barred.to_markdown(index=False, disable_numparse=True, colalign=sides if cells else None)
        return {
            "tsv": self.frame.to_csv(sep="\t", index=False, float_format="%.6g"),
            "md": f"{markdown}\n",
            "tex": f"% {self.title}; needs booktabs\n{body}",
        }

    def write(self, folder: Path) -> None:
        """Write :attr:`texts`, a file a kind."""
        for kind, content in self.texts.items():
            write_text(folder / f"{self.name}.{kind}", content)

    @staticmethod
    def _key(column: Column, row: dict[str, Any]) -> str:
        value = row[column.sort] if column.sort else column.show(row)
        return "" if pd.isna(value) else str(value)


def text(label: str, column: str, **options: Any) -> Column:
    """Return a column that shows a TSV column as it is."""
    return Column(label, lambda row: str(row[column]), number=False, **options)


def number(label: str, column: str, show: Callable[[Any], str], **options: Any) -> Column:
    """Return a column of numbers, sorted by their value."""
    return Column(label, lambda row: show(row[column]), sort=column, **options)


def who(arm: Arm) -> dict[str, Any]:
    """Return the columns that begin a row about an arm's results."""
    return {"experiment": arm.name, "arm": arm.label}


def parts(name: str, estimate: Estimate | None) -> dict[str, float]:
    """Return a value and its interval over patients as three numbers of a row."""
    if estimate is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"), math.nan)
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def interval(name: str, signed: bool = False, low: str = "", high: str = "") -> Callable[[dict[str, Any]], str]:
    """Return what shows a row's value and its interval, which stands in the columns ``low`` and ``high``."""

    def show(row: dict[str, Any]) -> str:
        if pd.isna(row[name]):
            return NONE
        ends = row[low or f"{name}_low"], row[high or f"{name}_high"]
        return score(row[name], signed) + ("" if pd.isna(ends[0]) else f" {span(*ends, signed)}")

    return show
