"""The reference of the command line, as Typer writes it."""

import html
import subprocess
import sys


def page() -> str:
    """Return the page as Markdown."""
    command = [sys.executable, "-m", "typer", "mmdino.cli", "utils", "docs", "--name", "mmdino", "--title", "Commands"]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    # Typer escapes for HTML also inside of code, where Markdown would show the escapes.
    return html.unescape(written)
