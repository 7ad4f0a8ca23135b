"""The report's tables: once as numbers for TSV, once as text for the page."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mmdino.files import atomic


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

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Return the rows with the cells' texts and sort keys."""
        shown = []
        records: list[dict[str, Any]] = self.frame.to_dict("records")  # type: ignore[assignment]
        for row in records:
            cells = [{"text": column.show(row), "key": self._key(column, row)} for column in self.columns]
            first = next(iter(row.values()))
            shown.append({"cells": cells, "emphasised": first == self.emphasised, "swatch": row.get(self.swatch, "")})
        return shown

    def write(self, folder: Path) -> Path:
        """Write the numbers as TSV."""
        path = folder / f"{self.name}.tsv"
        with atomic(path) as temporary:
            self.frame.to_csv(temporary, sep="\t", index=False, float_format="%.6g")
        return path

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
