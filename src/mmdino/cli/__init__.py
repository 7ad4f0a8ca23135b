"""The command line: a verb a step, a file a purpose. Everything heavy is imported by the verb that needs it."""

import sys

import typer

from mmdino.cli import before, carried, data, exchange, quality, results, runs
from mmdino.errors import UserError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="MM-DINOv2 Bench: from raw glioma MRI cohorts to a report. Each verb is one step; Snakemake calls them in order "
    "(`snakemake --profile profiles/local`).",
)
# `mmdino --help` shows the verbs as they stand here: headings, and verbs below them, in the order of use.
for verbs in (before.verbs, data.verbs, quality.verbs, exchange.verbs, runs.verbs, results.verbs, carried.verbs):
    app.add_typer(verbs)


def main() -> None:
    """Run the command line; bad input is one sentence on stderr and exit code 2 (75: stopped, with a checkpoint)."""
    try:
        app()
    except UserError as error:
        sys.stderr.write(f"Error: {error}\n")
        sys.exit(getattr(error, "exit_code", 2))
