"""Quality-control pictures of patients who were brought to the atlas: a sample, small enough for one page."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from PIL import Image

from mmdino.files import stable_hash
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.text import count, duration

SAMPLE = 8
WIDTH = 720  # pixels


@dataclass(frozen=True)
class Picture:
    """A patient's picture as a data URI, with what is said below it."""

    uri: str
    title: str
    caption: str


def sample(data: StudyFiles) -> tuple[list[Picture], int]:
    """Return up to ``SAMPLE`` pictures, and how many there are; flagged patients come first, then names decide."""
    done = data.preprocessed[(data.preprocessed["figure"] != "") & (data.preprocessed["status"] == "done")]
    rows = done.to_dict("records")
    rows.sort(key=lambda row: (row["flags"] == "", stable_hash("picture", row["subject"])))
    shown: list[Picture] = []
    for row in rows:
        path = at_hand(data, row["figure"])
        uri = embedded(path) if path else None
        if uri and len(shown) < SAMPLE:
            shown.append(Picture(uri, f"{row['subject']} ({row['cohort']})", caption(row)))
    return sorted(shown, key=lambda picture: picture.title), len(rows)


def at_hand(data: StudyFiles, path: str) -> Path | None:
    """Return a file that a table names, whose path starts where the study was run or in its results; None: not there."""
    return next((place for place in (Path(path), data.results / path) if place.is_file()), None)


def caption(row: dict) -> str:
    """Return what preprocessing and quality control say of a patient (a row of ``tables.PREPROCESSED``)."""
    volume = f"brain {count(row['brain_ml'])} ml" if not pd.isna(row["brain_ml"]) else ""
    segmentation = f"tumour from {row['seg_source']}" if row["seg_source"] else ""
    return " · ".join(
        part for part in (volume, segmentation, f"{duration(row['seconds'])} CPU", row["reason"], row["flags"]) if part
    )


def embedded(path: Path) -> str | None:
    """Return a picture as a JPEG data URI at most ``WIDTH`` wide, or None where it cannot be read."""
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, ValueError, SyntaxError):
        return None
    picture.thumbnail((WIDTH, WIDTH), Image.Resampling.LANCZOS)
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=78, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(written.getvalue()).decode()}"
