"""Tables of missing sequences: the 15 sets, and sequences that are missing at random."""

import pandas as pd

from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import Cell, RandomCell, ceiling
from mmdino.reporting.tables import Column, Table, interval, number, parts, text, who
from mmdino.reporting.text import count, score

NAN = float("nan")
RUNS = ("runs", "*", "seed-*", "predictions.parquet")


def missing_table(data: StudyFiles, cells: list[Cell]) -> Table:
    """Return MCC by arm, set of sequences and protocol: the numbers of the heat map."""
    lines = [
        {
            **who(data.named(cell.arm)),
            "protocol": cell.protocol,
            "sequences": cell.sequences,
            "size": cell.sequences.count("+") + 1,
            **parts("mcc", cell.mcc),
            "n": cell.mcc.n,
            "runs": cell.mcc.runs,
            "oracle": (ceiling(data, cell.sequences) or {}).get("mcc", NAN),
        }
        for cell in cells
    ]
    names = ["experiment", "arm", "protocol", "sequences", "size", "mcc", "mcc_low", "mcc_high", "n", "runs", "oracle"]
    return Table(
        name="missing-sequences",
        title=data.titled("MCC on the external test by sequences at hand"),
        frame=pd.DataFrame(lines, columns=names),
        columns=[
            text("Arm", "arm"),
            text("Protocol", "protocol"),
            text("Sequences", "sequences"),
            number("How many", "size", count),
            Column("MCC [95 %]", interval("mcc"), "mcc"),
            *([number("Sign oracle", "oracle", score)] if data.oracle else []),
        ],
        source=data.source(*RUNS),
        swatch="experiment",
    )


def random_table(data: StudyFiles, cells: list[RandomCell]) -> Table:
    """Return MCC by arm, protocol and the share of sequences that are missing at random."""
    lines = [
        {
            **who(data.named(cell.arm)),
            "protocol": cell.protocol,
            "rate": cell.rate,
            **parts("mcc", cell.mcc),
            "n": cell.mcc.n,
            "runs": cell.mcc.runs,
        }
        for cell in cells
    ]
    names = ["experiment", "arm", "protocol", "rate", "mcc", "mcc_low", "mcc_high", "n", "runs"]
    return Table(
        name="random-missing",
        title=data.titled("MCC on the external test with sequences missing at random"),
        frame=pd.DataFrame(lines, columns=names),
        columns=[
            text("Arm", "arm"),
            text("Protocol", "protocol"),
            number("Missing", "rate", lambda rate: f"{100 * rate:.0f} %"),
            Column("MCC [95 %]", interval("mcc"), "mcc"),
        ],
        source=data.source(*RUNS),
        swatch="experiment",
        note="Each patient lacks each sequence with this probability and keeps at least one; mixed from the predictions "
        "under the 15 sets, the mean over five draws that are the same for every arm.",
    )
