"""Quality control again, from what is on disk: values, pictures, and the tables that hold them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from mmdino.config.chosen import command
from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.nifti import Volume, on_one_grid, read_labels, read_volume
from mmdino.preprocess.atlas import Atlas
from mmdino.preprocess.bids import Names
from mmdino.preprocess.figure import write_figure
from mmdino.preprocess.images import harmonise
from mmdino.preprocess.quality.measure import measure, rounded
from mmdino.preprocess.registration import read_pull, resample
from mmdino.tables import MANIFEST, PREPROCESSED, SEQUENCES, read_table, write_table

Row = dict[str, Any]


def look_again(
    cohort: Path, shards: Sequence[Path], derivatives: Path, atlas: Atlas, subjects: list[str] | None = None
) -> Iterator[str]:
    """Measure and draw a cohort's patients again; yields a sentence for each that could not be read.

    Tables and records are written only where a value has changed, so that nothing else is made again for nothing.

    Args:
        cohort: ``cohorts/<cohort>`` of the results, with the manifest.
        shards: the tables of its shards.
        derivatives: ``derivatives/<cohort>``.
        atlas: the study's.
        subjects: whom; None: everybody.

    Raises:
        UserError: the cohort is not preprocessed yet.
    """
    if not all(shard.exists() for shard in shards):
        study = cohort.parents[1].name  # results/<study>/cohorts/<cohort>
        again = command(study, str(cohort / "preprocessed.tsv"))
        raise UserError(f"{cohort}: is not preprocessed yet; run `{again}`")
    raw = read_table(MANIFEST, cohort / "manifest.tsv").set_index(["subject", "session"])
    for shard in shards:
        table = read_table(PREPROCESSED, shard)
        rows: list[Row] = table.to_dict("records")  # type: ignore[assignment]
        for row in tqdm(rows, desc=f"{cohort.name} {shard.stem}", unit="patient", disable=None):
            if row["status"] != "done" or (subjects and row["subject"] not in subjects):
                continue
            names = Names(derivatives, row["subject"], row["session"], atlas)
            try:
                scans = raw.loc[(row["subject"], row["session"])].to_dict()
                values = _patient(row, scans, names, atlas)
            except (UserError, KeyError) as error:
                yield f"{row['subject']}: {error}"
                continue
            if values != {name: row[name] for name in values}:
                row |= values
                _note(names.path("record"), values)
        changed = pd.DataFrame(rows, columns=list(PREPROCESSED.columns))
        if not changed.equals(table):
            write_table(PREPROCESSED, changed, shard)


def _patient(row: Row, raw: Row, names: Names, atlas: Atlas) -> Row:
    """Draw a patient and return the values that could be measured."""
    given = {name: read_volume(row[name]) for name in SEQUENCES if row[name]}
    labels = {name: read_labels(row[name]) for name in ("seg", "mask") if row[name]}
    turned = on_one_grid(given | labels, row)
    scans, tumour = {name: turned[name] for name in given}, turned["seg"]
    inside = turned["mask"].array > 0 if row["mask"] else np.any([s.array != 0 for s in scans.values()], axis=0)
    in_view = 1.0 if row["in_view"] != row["in_view"] else row["in_view"]  # the scanner's part does not change
    found = measure(scans, inside, tumour.array, atlas.volume, in_view, row["rough_dice"])
    write_figure(
        names.path("figure"),
        names.subject,
        _with_skull(row, raw, names, atlas, scans),
        inside,
        tumour.array,
        atlas.volume,
    )
    return rounded(found)


def _with_skull(row: Row, raw: Row, names: Names, atlas: Atlas, scans: dict[str, Volume]) -> dict[str, Volume]:
    """Return the scans before they were stripped where they are at hand, so that stripping can be judged."""
    shown = dict(scans)
    for name in scans:
        path, transform = Path(raw[name] or "."), names.path(f"transform-{name}")
        if not path.is_file():
            continue
        if row["transforms"] and transform.exists():
            shown[name] = resample(harmonise(read_volume(path), path), atlas.volume, read_pull(transform))
        elif row["stage"] == "atlas":
            both = {"stripped": scans[name], "raw": read_volume(path)}
            shown[name] = on_one_grid(both, {"stripped": row[name], "raw": path})["raw"]
    return shown


def _note(record: Path, values: Row) -> None:
    """Keep the values in the patient's record, so that preprocessing, which skips what is done, tells the same."""
    if record.exists():
        kept = read_json(record)
        write_json(record, {**kept, "row": {**kept["row"], **values}})
