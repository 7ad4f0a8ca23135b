"""The review page: pictures of the pairs that look alike, but not enough, for a person to decide."""

import base64
import html
import io
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmdino.errors import UserError
from mmdino.files import write_text
from mmdino.nifti import in_ras, read_volume
from mmdino.tables import SEQUENCES

MOST = 200  # pairs shown
HEIGHTS = (0.4, 0.55, 0.7)  # axial planes, as parts of the brain's height
STYLE = "body{font-family:sans-serif;max-width:60em;margin:auto}img{max-width:100%}"


def write_page(pairs: pd.DataFrame, preprocessed: pd.DataFrame, path: Path) -> None:
    """Write one HTML file with the pairs whose action is ``review``.

    Args:
        pairs: ``tables.LEAKAGE``.
        preprocessed: ``tables.PREPROCESSED`` of all cohorts, which says where the scans are.
        path: the page.
    """
    rows = {(row["cohort"], row["subject"]): row for row in preprocessed.to_dict("records") if row["status"] == "done"}
    waiting = pairs[pairs["action"] == "review"]
    parts = [f"<p>{len(waiting)} pairs look alike, but not enough to be joined."]
    if len(waiting) > MOST:
        parts.append(f"The first {MOST} are shown.")
    for pair in waiting.head(MOST).to_dict("records"):
        names = [f"{pair[side + '_cohort']} {pair[side]}" for side in ("a", "b")]
        told = f"{pair['evidence']} {pair['score']:.2f}; correlation everywhere {pair['everywhere']:.2f}"
        parts.append(f"<h2>{html.escape(' · '.join(names))}</h2><p>{told}</p>")
        try:
            parts.append(_picture([rows[pair[f"{side}_cohort"], pair[side]] for side in ("a", "b")], names))
        except (UserError, KeyError) as error:
            parts.append(f"<p>No picture: {html.escape(str(error))}</p>")
    title = "Patients who may occur twice"
    write_text(
        path,
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<h1>{title}</h1>{''.join(parts)}</html>\n",
    )


def _picture(rows: list[dict], names: list[str]) -> str:
    """Return an image element: a row of planes for each of the two, of the first sequence that both have."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    sequence = next((name for name in ("t1c", *SEQUENCES) if all(row[name] for row in rows)), None)
    if sequence is None:
        raise UserError("they have no sequence in common")
    figure = Figure(figsize=(2.2 * len(HEIGHTS), 4.6), dpi=70, facecolor="black")
    FigureCanvasAgg(figure)
    cells = figure.subplots(2, len(HEIGHTS))
    for line, row, name in zip(cells, rows, names):
        for cell, plane in zip(line, _planes(row[sequence])):
            cell.imshow(plane.T, cmap="gray", origin="lower", vmax=np.percentile(plane, 99.5))
            cell.axis("off")
        line[0].set_title(f"{name} {sequence}", color="white", fontsize=8, loc="left")
    figure.subplots_adjust(left=0, right=1, bottom=0, top=0.95, wspace=0.02, hspace=0.1)
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", facecolor="black", metadata={"Software": None})
    content = base64.b64encode(drawn.getvalue()).decode()
    return f'<img alt="{html.escape(" and ".join(names))}" src="data:image/png;base64,{content}">'


def _planes(path: str) -> list[NDArray]:
    turned = in_ras(read_volume(path)).array
    heights = np.flatnonzero((turned > 0).any(axis=(0, 1)))
    return [turned[:, :, heights[int(part * (len(heights) - 1))]] for part in HEIGHTS]
