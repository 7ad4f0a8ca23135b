"""A comparison as people read it: in the terminal, as Markdown, or as one self-contained HTML page."""

from pathlib import Path
from textwrap import shorten

import jinja2
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmdino.comparison.differences import Section
from mmdino.errors import UserError
from mmdino.files import write_text

WRITERS = (".html", ".md")
CELL = 120  # characters of a cell in the terminal


def require_known(out: Path | None) -> None:
    """Refuse a file name whose format is not known, before anything is computed."""
    if out is not None and out.suffix not in WRITERS:
        raise UserError(f"--out {out}: is written as {' or '.join(WRITERS)}; end its name in one of these")


def write(sections: list[Section], title: str, out: Path) -> None:
    """Write the comparison; the format is the name's suffix."""
    write_text(out, page(sections, title) if out.suffix == ".html" else markdown(sections, title))


def markdown(sections: list[Section], title: str) -> str:
    """Return the comparison as Markdown."""
    parts = [f"# {title}"]
    for section in sections:
        parts += [f"## {section.title}", section.said]
        if section.rows:
            cells = [[cell.replace("|", "\\|") for cell in row] for row in section.rows]
            table = pd.DataFrame(cells, columns=section.columns)
            parts.append(table.to_markdown(index=False, disable_numparse=True))
    return "\n\n".join(parts) + "\n"


def page(sections: list[Section], title: str) -> str:
    """Return the comparison as HTML that asks for nothing from anywhere; whatever stands in a name is text."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(sections=sections, title=title)


def show(sections: list[Section], console: Console | None = None) -> None:
    """Print the comparison."""
    console = console or Console()
    for section in sections:
        console.print(Text(section.title, style="bold"))
        console.print(Text(section.said))
        if section.rows:
            table = Table()
            for column in section.columns:
                table.add_column(Text(column), overflow="fold")
            for row in section.rows:
                table.add_row(*(Text(shorten(cell, CELL, placeholder=" … (all: --out)")) for cell in row))
            console.print(table)
        console.print()
