"""The tables that one step hands to the next: their columns, and the only functions that read or write them.

Adding a column here is how a data contract changes; docs/data-contracts.md lists the same tables for people.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmdino.errors import UserError
from mmdino.files import atomic

if TYPE_CHECKING:  # pandas takes .4 CPU s to load, and who only asks for names (a dry run) reads no table
    import pandas as pd

SEQUENCES = ("t1", "t1c", "t2", "flair")
CLASSES = ("astrocytoma", "glioblastoma", "oligodendroglioma")
PERSON: dict[str, type] = {"age": float, "sex": str}  # in years; male, female; empty where a cohort does not tell
# What quality control measures of a patient (mmdino.preprocess.quality), by column.
QUALITY: dict[str, type] = {
    **dict.fromkeys(("rough_dice", "atlas_dice", *(f"similarity_{name}" for name in SEQUENCES)), float),
    **dict.fromkeys(("in_view", "flat_end", *(f"flip_{name}" for name in SEQUENCES), "tumour_outside"), float),
    **dict.fromkeys(("sequence_margin", "enhancement", "alike"), float),
    **dict.fromkeys(("looks_like", "alike_pair"), str),
}


@dataclass(frozen=True)
class Table:
    """A data contract: what one row is, and the columns with their types (str, int, float or bool).

    Columns that are ``optional`` are empty in a table that lacks them, such as one from before they were thought of.
    """

    name: str
    row: str
    columns: dict[str, type]
    key: tuple[str, ...]
    optional: tuple[str, ...] = ()


MANIFEST = Table(
    "manifest",
    "a session found on disk",
    {
        **dict.fromkeys(("subject", "session", "cohort", "site", "stage"), str),
        **dict.fromkeys((*SEQUENCES, "seg"), str),  # paths; empty = missing
        **dict.fromkeys(("label", "label_source", "patient", "excluded"), str),
        **PERSON,
    },
    key=("subject", "session"),
    optional=tuple(PERSON),
)
PREPROCESSED = Table(
    "preprocessed",
    "a session after preprocessing",
    {
        **dict.fromkeys(("subject", "session", "cohort", "stage"), str),
        **dict.fromkeys((*SEQUENCES, "seg", "mask", "transforms", "figure"), str),  # paths; empty = missing
        **dict.fromkeys(("seg_source", "status", "reason"), str),  # status: done | failed | excluded
        "seconds": float,  # CPU seconds
        "brain_ml": float,
        **QUALITY,
        "similarity_z": float,  # the lowest of the sequences', in robust standard deviations within cohort and stage
        **dict.fromkeys(("flags", "decision"), str),  # what quality control says, and what a person decided
    },
    key=("subject", "session"),
)
LEAKAGE = Table(
    "leakage",
    "two patients who may be one",
    {
        **dict.fromkeys(("a_cohort", "a", "b_cohort", "b", "evidence"), str),
        **{"score": float, "everywhere": float, "action": str},
    },
    key=("a_cohort", "a", "b_cohort", "b"),
    optional=("everywhere",),
)
SPLITS = Table(
    "splits",
    "a patient",
    {**dict.fromkeys(("patient", "subject", "cohort", "site", "split", "label"), str), "labelled": bool, **PERSON},
    key=("patient",),
    optional=tuple(PERSON),
)
SLICES = Table(
    "slices",
    "a slice of the bank",
    {"subject": str, "axis": int, "slice": int, "offset": int, "tumour_voxels": int},
    key=("subject", "axis", "slice"),
)
FAILURES = Table("failures", "a patient left out of the slice bank", {"subject": str, "reason": str}, key=("subject",))
PREDICTIONS = Table(
    "predictions",
    "a patient under one set of sequences, one protocol and one read-out",
    {
        **dict.fromkeys(("subject", "cohort", "split", "sequences", "protocol", "readout", "label"), str),
        **dict.fromkeys((f"p_{name}" for name in CLASSES), float),
    },
    key=("subject", "sequences", "protocol", "readout"),
)
TRUTH = Table(
    "truth",
    "a phantom patient's true signs (for tests and the report only)",
    {
        **dict.fromkeys(("subject", "cohort", "site", "label", "enhancement"), str),
        **dict.fromkeys(("necrosis", "oedema", "mismatch", "heterogeneity", "specks", "cortical", "indistinct"), bool),
        "folder": str,  # native phantoms: true brain mask and transforms; else empty
    },
    key=("subject",),
)


def sequence_set(names: object) -> str:
    """Return the canonical text of a set of sequences, e.g. ``t1+t1c+t2+flair``."""
    given = set(names)  # type: ignore[call-overload]
    return "+".join(name for name in SEQUENCES if name in given)


def read_table(table: Table, path: Path | str) -> pd.DataFrame:
    """Read and check a table (``.tsv`` or ``.parquet``); empty text cells come back as ``""``.

    Raises:
        UserError: the file is missing, lacks columns, or has two rows with the same key.
    """
    import pandas as pd

    path = Path(path)
    if not path.exists():
        raise UserError(
            f"{path}: there is no such {table.name} table; run the step that writes it (`snakemake {path}`)"
        )
    parquet = path.suffix == ".parquet"
    frame = pd.read_parquet(path) if parquet else pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    attrs, frame.attrs = frame.attrs, {}  # pandas copies them deeply with every operation
    frame = conform(table, frame, path)
    frame.attrs = attrs
    return frame


def write_table(table: Table, frame: pd.DataFrame, path: Path | str) -> None:
    """Check ``frame`` against the contract and write it atomically, columns in the contract's order."""
    frame = conform(table, frame, path)
    with atomic(path) as temporary:
        if temporary.suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            frame.to_csv(temporary, sep="\t", index=False, float_format="%.6g")


def conform(table: Table, frame: pd.DataFrame, path: Path | str) -> pd.DataFrame:
    """Return ``frame`` with exactly the contract's columns and types.

    Raises:
        UserError: columns are missing or unknown, a value has the wrong type, or a key occurs twice.
    """
    lacking = [name for name in table.optional if name not in frame]
    frame = frame.assign(**dict.fromkeys(lacking, "")) if lacking else frame
    missing = [name for name in table.columns if name not in frame]
    unknown = [name for name in frame if name not in table.columns]
    if missing or unknown:
        both = (("missing", missing), ("unknown", unknown))
        said = "; ".join(f"{what} columns {', '.join(map(str, names))}" for what, names in both if names)
        raise UserError(
            f"{path}: is not a {table.name} table, or one of another version of this program: {said}; "
            "delete it and run the step that writes it again"
        )
    frame = frame[list(table.columns)].copy()
    for name, kind in table.columns.items():
        try:
            frame[name] = _cast(frame[name], kind)
        except (ValueError, TypeError) as error:
            raise UserError(f"{path}: column '{name}' of the {table.name} table: {error}") from None
    twice = frame.duplicated(list(table.key)).to_numpy()
    if twice.any():
        place = int(twice.argmax())
        row = frame.iloc[place]
        named = ", ".join(f"{key}={row[key]}" for key in table.key)
        raise UserError(
            f"{path}: row {place}: two rows for {named}; each {table.name} row must be unique: remove or rename one"
        )
    return frame.reset_index(drop=True)


def _cast(column: pd.Series, kind: type) -> pd.Series:
    import pandas as pd

    if kind is str:
        return column.fillna("").astype(str)
    if kind is bool:
        return column if column.dtype == bool else column.map(_truth).astype(bool)
    if kind is int:
        return column.astype("int64")
    return pd.to_numeric(column.replace("", None)).astype("float64")


def _truth(value: object) -> bool:
    """Return what a cell means: spreadsheets write TRUE and FALSE; any other word is nobody's to guess."""
    meant = {"true": True, "false": False}.get(str(value).casefold())
    if meant is None:
        raise ValueError(f"'{value}' is neither True nor False; write one of the two")
    return meant
