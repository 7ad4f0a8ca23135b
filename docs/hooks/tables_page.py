"""The schemas of the tables that one step hands to the next: the middle of docs/data-contracts.md."""

import re

from mmdino import tables

# Where each table lies, below results/<study>/.
PLACES = {
    "manifest": "cohorts/<cohort>/manifest.tsv",
    "preprocessed": "cohorts/<cohort>/preprocessed.tsv",
    "leakage": "leakage.tsv",
    "splits": "splits.tsv",
    "slices": "cohorts/<cohort>/slices/index.parquet",
    "failures": "cohorts/<cohort>/slices/failures.tsv",
    "predictions": "runs/<experiment>/seed-<n>/predictions.parquet",
    "truth": "truth/<cohort>.parquet",
}
BEFORE, AFTER = "## manifest", "## Other files"


def schemas() -> str:
    """Return a section for each table of ``mmdino.tables``."""
    known = [value for value in vars(tables).values() if isinstance(value, tables.Table)]
    return "\n".join(_section(table) for table in known)


def filled(page: str) -> str:
    """Return docs/data-contracts.md with the tables as they are in the code."""
    start, end = page.index(BEFORE), page.index(AFTER)
    return f"{page[:start]}{schemas()}\n{page[end:]}"


def _section(table: tables.Table) -> str:
    place = f": `{PLACES[table.name]}`" if table.name in PLACES else ""
    rows = "\n".join(f"| {name} | {kind.__name__} |" for name, kind in table.columns.items())
    said = f"One row is {table.row}; key: {', '.join(table.key)}."
    return re.sub(r"\n{3,}", "\n\n", f"## {table.name}{place}\n\n{said}\n\n| column | type |\n|---|---|\n{rows}\n")
