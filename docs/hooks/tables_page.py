"""docs/data-contracts.md with the columns of ``mmdino.tables``: what is said between the tables is the page's own."""

import re

from mmdino import tables

TABLES = [value for value in vars(tables).values() if isinstance(value, tables.Table)]
HEAD = "| column | type |\n|---|---|\n"
COLUMNS = re.compile(re.escape(HEAD) + r"(?:\|.*\n)*")


def filled(page: str) -> str:
    """Return the page with each table's columns as they are in the code.

    Raises:
        ValueError: a table has no section of its name.
    """
    for table in TABLES:
        start = page.index(f"## {table.name}:")
        page = page[:start] + COLUMNS.sub(columns(table), page[start:], count=1)
    return page


def columns(table: tables.Table) -> str:
    """Return a table's columns and their types as Markdown."""
    return HEAD + "".join(f"| {name} | {kind.__name__} |\n" for name, kind in table.columns.items())
