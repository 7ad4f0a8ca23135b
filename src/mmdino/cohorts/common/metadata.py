"""Metadata tables (CSV, XLSX): read by column name, whatever the spelling, and refused with the columns found otherwise."""

import codecs
import csv
import io
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from mmdino.cohorts.common.people import HEADINGS, person
from mmdino.cohorts.common.sessions import Scan
from mmdino.cohorts.common.tree import Tree
from mmdino.errors import UserError, one_line

TITLE_ROWS = 5  # a header may stand below a title (Ceccarelli 2016 has one)
DATE = re.compile(
    r"\d{4}-\d\d-\d\d( [\d:]+)?|\d{1,2}-[A-Za-z]{3}(-\d{2,4})?|\d{1,2}/\d{1,2}/\d{2,4}|[A-Za-z]{3}-\d{2,4}"
)


@dataclass(frozen=True)
class Record:
    """A row of a table.

    Attributes:
        values: by our names for the columns.
        where: ``file, row 12``.
        raw: the same by the table's own names, as it stands there.
        told: age and sex, where the table has them, as they stand there.
        headings: of all of the table's columns.
    """

    values: Mapping[str, str]
    where: str
    raw: Mapping[str, str]
    told: Mapping[str, str] = field(default_factory=dict)
    headings: tuple[str, ...] = ()

    @property
    def person(self) -> dict[str, str]:
        """Return the patient's age and sex, each empty where it is not known."""
        return person(self.told)

    def said(self) -> str:
        """Return the row's values in words."""
        return ", ".join(f"{name}={value or 'blank'}" for name, value in self.raw.items())


@dataclass
class Metadata:
    """A cohort's table: rows by join key, and what is wrong with it, in sentences. ``path`` is None if there is none.

    ``refused`` are the join keys whose rows disagree.
    """

    path: Path | None = None
    records: dict[str, Record] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


def find_metadata(
    tree: Tree,
    file: str,
    columns: Mapping[str, tuple[str, ...]],
    key: Callable[[str], str | None],
    optional: tuple[str, ...] = (),
    every: bool = False,
) -> Metadata:
    """Read the table whose name fits ``file``; of several the last by name (the newest version) counts.

    A row whose id is none, and rows of one id that disagree, are named in ``problems`` and left out.

    Args:
        tree: where to look.
        file: regular expression of the file's whole name.
        columns: by our name, the published spellings of the column; blanks, case and punctuation do not count, nor
            what it says in brackets. The first is the id. Age and sex are read wherever a table has them.
        key: turns an id into the key to join by; None if it is no id.
        optional: names of columns that may be absent.
        every: read all whose names fit, as one table: they are its parts, and not versions of it.

    Raises:
        UserError: the file is no table, or lacks a column.
    """
    found = tree.named(file)
    if not found:
        return Metadata()
    path = found[-1]
    metadata = Metadata(path)
    if len(found) > 1 and not every:
        others = ", ".join(str(other.relative_to(tree.root)) for other in found[:-1])
        metadata.problems.append(f"{path}: is read, and not {others}")
    for name, record in [row for part in (found if every else [path]) for row in read_rows(part, columns, optional)]:
        identity = key(name)
        if identity is None:
            what = "a date that a spreadsheet made of an id" if DATE.fullmatch(name) else "no id of this cohort"
            metadata.problems.append(
                f"{record.where}: '{name}' is {what}; mend it in the table; the row is passed over"
            )
        elif identity in metadata.records and metadata.records[identity].values != record.values:
            first = metadata.records[identity]
            metadata.problems.append(
                f"{record.where}: '{name}' disagrees with {first.where} ({record.said()}; {first.said()}); remove one "
                "of the rows; neither is used"
            )
            metadata.refused.add(identity)
        else:
            metadata.records.setdefault(identity, record)
    for identity in metadata.refused:
        del metadata.records[identity]
    return metadata


def tell_table(scan: Scan, metadata: Metadata, keys: Iterable[str | None]) -> None:
    """Add to the problems what is wrong with a table, who has no row in it, and which rows are of nobody.

    Args:
        scan: changed in place.
        metadata: the cohort's table.
        keys: the join key of each session, in order.
    """
    scan.problems += metadata.problems
    if metadata.path is None:
        return
    keys = list(keys)
    there = set(keys)
    used = [(row["subject"], key) for row, key in zip(scan.rows, keys) if not row["excluded"]]
    absent = sorted(subject for subject, key in used if key not in metadata.records)
    unused = sorted(record.where for key, record in metadata.records.items() if key not in there)
    if absent:
        count = len({key for _, key in used})
        scan.problems.append(f"{metadata.path}: has no row for {len(absent)} of {count} patients: {_few(absent)}")
    if unused:
        scan.problems.append(f"{metadata.path}: {len(unused)} rows are of nobody on disk: {_few(unused)}")


def _few(names: list[str], most: int = 4) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def read_rows(
    path: Path, columns: Mapping[str, tuple[str, ...]], optional: tuple[str, ...] = ()
) -> list[tuple[str, Record]]:
    """Return (id, record) of each row that has an id; the record holds the other columns.

    Raises:
        UserError: as for :func:`find_metadata`.
    """
    best: dict[str, int] = {}
    seen: list[str] = []
    for sheet in _sheets(path):
        for start in range(min(TITLE_ROWS, len(sheet))):
            header = {_plain(cell): number for number, cell in reversed(list(enumerate(sheet.iloc[start])))}
            place = _places(columns, header)
            if set(columns) - set(optional) <= set(place):
                return list(_records(path, sheet, start, place, _places(HEADINGS, header)))
            if len(place) > len(best) or not seen:
                best, seen = place, [cell for cell in sheet.iloc[start] if cell]
    missing = [" or ".join(f"'{s}'" for s in columns[name]) for name in columns if name not in (*best, *optional)]
    raise UserError(
        f"{path}: lacks the column {', '.join(missing)}; found were: {', '.join(seen)}. If a newer version renamed it, "
        "name it so, or take an older version of the table"
    )


def _places(columns: Mapping[str, tuple[str, ...]], header: Mapping[str, int]) -> dict[str, int]:
    """Return which column of the table is which of ours; of several spellings the first counts."""
    return {
        name: header[_plain(spelling)]
        for name, spellings in columns.items()
        for spelling in reversed(spellings)
        if _plain(spelling) in header
    }


def _records(
    path: Path, sheet: pd.DataFrame, start: int, place: dict[str, int], personal: dict[str, int]
) -> Iterator[tuple[str, Record]]:
    identity, *others = place
    headings = tuple(cell for cell in sheet.iloc[start] if cell)
    for number in range(start + 1, len(sheet)):
        cells = sheet.iloc[number]
        name = cells.iloc[place[identity]]
        if name:
            values = {other: cells.iloc[place[other]] for other in others}
            raw = {str(sheet.iloc[start, place[other]]): value for other, value in values.items()}
            told = {other: cells.iloc[personal[other]] for other in personal}
            yield name, Record(values, f"{path.name}, row {number + 1}", raw, told, headings)


def _sheets(path: Path) -> list[pd.DataFrame]:
    """Return a file's tables as text, without headers; a CSV once for each separator that it might have."""
    try:
        if path.suffix.lower() in (".xlsx", ".xlsm"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # openpyxl warns of styles that it does not know
                sheets = pd.read_excel(path, sheet_name=None, header=None, dtype=str, keep_default_na=False)
            found = list(sheets.values())
        else:
            found = [_text(path, separator) for separator in (",", ";", "\t")]
    except PermissionError:
        raise UserError(f"{path}: cannot be read; give yourself read permission") from None
    except csv.Error as error:
        raise UserError(f"{path}: is not a readable table ({error}); mend that line, or download it again") from None
    except (ValueError, OSError, KeyError) as error:  # openpyxl raises all of them for damaged files
        raise UserError(f"{path}: is not a readable table ({one_line(error)}); download it again") from None
    except Exception as error:
        if type(error).__name__ not in ("BadZipFile", "InvalidFileException"):
            raise
        raise UserError(f"{path}: is not a readable Excel file; download it again") from None
    return [sheet.fillna("").map(lambda cell: " ".join(str(cell).split())) for sheet in found]


def _text(path: Path, separator: str) -> pd.DataFrame:
    reader = csv.reader(io.StringIO(decoded(path.read_bytes()), newline=""), delimiter=separator)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {error}") from None
    width = max(map(len, rows), default=0)
    return pd.DataFrame([row + [""] * (width - len(row)) for row in rows])


def decoded(content: bytes) -> str:
    """Return a file's text: UTF-16 where it says so (Excel's Unicode text), else UTF-8, else as Windows writes it in the
    West, else Latin-1, in which any byte is a letter."""
    told = ["utf-16"] if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else []
    for encoding in (*told, "utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            pass
    return content.decode("latin-1")


def _plain(heading: str) -> str:
    """Return a heading without case, punctuation and what it says in brackets."""
    return re.sub(r"\(.*\)|[^0-9a-z]", "", heading.casefold())
