"""Writing an archive's tables."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import openpyxl

from mmdino.files import atomic

Value = TypeVar("Value")


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file."""
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([header, *rows])


def write_xlsx(
    path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], sheet: str = "Sheet1", title: str = ""
) -> None:
    """Write an Excel file of one sheet; a ``title`` stands in a row above the header."""
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in ([[title]] if title else []) + [header, *rows]:
        book.active.append(list(row))
    with atomic(path) as temporary:
        book.save(temporary)


def cells(header: Sequence[str], told: Mapping[str, object], blank: str = "") -> list[object]:
    """Return a row: what is told of each column, or ``blank``."""
    return [told.get(name, blank) for name in header]


def in_turn(choices: Sequence[Value], number: int) -> Value:
    """Return the choice of the n-th patient: tables spell one thing in several ways."""
    return choices[number % len(choices)]
