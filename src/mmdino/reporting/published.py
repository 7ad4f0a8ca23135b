"""The paper's table with ours beside it, and the claim check as a table."""

from typing import Any

import pandas as pd

from mmdino.config.published import Figure, load_published
from mmdino.reporting.claims import Claim
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import ReadoutRow
from mmdino.reporting.tables import Column, Table, interval, number, parts, text
from mmdino.reporting.text import NONE, score

FILE = "published.yaml"


def published_table(data: StudyFiles, readouts: list[ReadoutRow]) -> Table:
    """Return every published figure with its source and standing, and the same arm of ours on test and validation."""
    path = data.study.path.parent.parent / FILE
    figures = load_published(path) if path.exists() else []
    names = ["what", "published", "test_set", "standing", "source", "experiment", "ours"]
    names += ["test", "test_low", "test_high", "val", "val_low", "val_high"]
    return Table(
        name="published",
        title=data.titled("The paper's figures, and ours"),
        frame=pd.DataFrame([_line(data, figure, readouts) for figure in figures], columns=names),
        columns=[
            text("Published", "what"),
            number("MCC", "published", score),
            text("On", "test_set"),
            text(
                "Standing", "standing", help="firm: the authors say so; derived: follows from it; secondary: others do"
            ),
            text("Ours", "ours"),
            Column("External MCC [95 %]", interval("test"), "test"),
            Column("Validation MCC [95 %]", interval("val"), "val"),
            text("Source", "source"),
        ],
        source=f"config/{FILE}",
        note="What wasn't found in print isn't listed."
        + (" Ours are phantoms' figures and cannot be compared with people's." if data.phantom else ""),
    )


def _line(data: StudyFiles, figure: Figure, readouts: list[ReadoutRow]) -> dict[str, Any]:
    line: dict[str, Any] = {"what": figure.what, "published": figure.value, "test_set": figure.test_set}
    line |= {"standing": figure.standing, "source": figure.source, "experiment": "", "ours": NONE}
    line |= parts("test", None) | parts("val", None)
    known = {arm.name: arm for arm in data.arms}
    shown = {row.arm: row for row in readouts if row.readout == known[row.arm].experiment.readout}
    ours = next((known[name] for name in figure.experiments if name in shown), None)
    if ours is None:
        asked = [known[name] for name in figure.experiments if name in known]
        return line | {"ours": f"{asked[0].title}: not run" if asked else NONE}
    row = shown[ours.name]
    return line | {"experiment": ours.name, "ours": ours.label, **parts("test", row.test), **parts("val", row.val)}


def claim_table(claims: list[Claim]) -> Table:
    """Return the claims as a table: the paper's, then our questions."""
    lines = [
        {"claim": one.title, "verdict": one.verdict, "figures": one.sentence, "of": "paper" if one.paper else "ours"}
        for one in claims
    ]
    return Table(
        name="claims",
        title="The claim check",
        frame=pd.DataFrame(lines, columns=["claim", "verdict", "figures", "of"]),
        columns=[text("Claim", "claim"), text("Verdict", "verdict"), text("Figures", "figures")],
        source="runs/*/seed-*/predictions.parquet",
    )
