"""The files of ``insight/``: written by the verb, read by the report without torch.

``insight.json`` holds numbers (and ``problem`` where there are none), ``patients.parquet`` a row a patient on the map,
``tokens.npz`` the pictures' arrays.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmdino.errors import UserError
from mmdino.files import atomic, read_json, write_json

NAME, MAP, TOKENS = "insight.json", "patients.parquet", "tokens.npz"
COLUMNS = ["subject", "cohort", "site", "split", "label", "x", "y"]


@dataclass(frozen=True)
class TokenMaps:
    """What the network made of the patch grid (g × g) of some patients' evaluation slices.

    Attributes:
        subjects: (N,) names; patients who have every sequence of the network.
        sequences: names of the S sequences, in the network's order.
        attention: (N, S, g, g) float16, attention of CLS in the last block, mean over heads; sums to 1 with what falls
            on CLS and registers.
        colours: (N, S, g, g, 3) uint8, the patch tokens' first three principal components, the same for all; black
            where a patch holds no brain.
    """

    subjects: NDArray[np.str_]
    sequences: list[str]
    attention: NDArray[np.float16]
    colours: NDArray[np.uint8]

    def of(self, subject: str) -> int | None:
        """Return a patient's place, or None."""
        found = np.flatnonzero(self.subjects == subject)
        return int(found[0]) if len(found) else None


@dataclass(frozen=True)
class Insight:
    """What is known of one run.

    Attributes:
        experiment, seed: which run.
        patients: a row a patient (``COLUMNS``), x and y from t-SNE of the features.
        tokens: None where the network has no patch tokens.
        attention: rows of ``split``, ``block``, ``sequence``, ``share`` with ``low`` and ``high``: which share of CLS's
            attention to patches falls on a sequence.
        tumour: rows of ``split``, ``sequence``, ``ratio`` with ``low`` and ``high``: attention on tumour patches by
            what even attention to the brain would put there.
        sites: how well the site is read: rows of ``patients``, ``classes``, ``n``, ``balanced_accuracy``, ``chance``,
            ``chance_high``.
        similarity: (S, S) cosines of the modality embeddings, or empty.
        explained: share of the patch tokens' variance that the three colours show.
        readout: whose features the map shows.
        problem: why there is nothing, or "".
    """

    experiment: str
    seed: int
    patients: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COLUMNS))
    tokens: TokenMaps | None = None
    attention: list[dict[str, Any]] = field(default_factory=list)
    tumour: list[dict[str, Any]] = field(default_factory=list)
    sites: list[dict[str, Any]] = field(default_factory=list)
    similarity: list[list[float]] = field(default_factory=list)
    explained: float = 0.0
    readout: str = ""
    problem: str = ""


def write_insight(found: Insight, folder: Path) -> None:
    """Write the three files, ``insight.json`` last."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(folder / MAP) as temporary:
        found.patients[COLUMNS].to_parquet(temporary, index=False)
    tokens = found.tokens
    with atomic(folder / TOKENS) as temporary:
        arrays = {} if tokens is None else {key: np.asarray(value) for key, value in vars(tokens).items()}
        np.savez_compressed(temporary, allow_pickle=False, **arrays)
    numbers = {key: value for key, value in vars(found).items() if key not in ("patients", "tokens")}
    write_json(folder / NAME, numbers)


def read_insight(folder: Path) -> Insight:
    """Read what :func:`write_insight` wrote.

    Raises:
        UserError: a file is missing, damaged, or of another version of this program.
    """
    numbers = read_json(folder / NAME)
    try:
        with np.load(folder / TOKENS, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in arrays.files}
        patients = pd.read_parquet(folder / MAP)[COLUMNS]
        tokens = TokenMaps(**held | {"sequences": held["sequences"].tolist()}) if held else None
        return Insight(patients=patients, tokens=tokens, **numbers)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(f"{folder}: cannot be read ({error}); delete it and run `mmdino insight` again") from None


__all__ = ["COLUMNS", "NAME", "Insight", "TokenMaps", "read_insight", "write_insight"]
