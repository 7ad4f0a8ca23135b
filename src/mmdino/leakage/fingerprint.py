"""A cohort's fingerprints: of each patient the crops to compare brains by, and hashes of its files and voxels."""

import hashlib
import logging
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from mmdino.errors import UserError, one_line
from mmdino.files import atomic, file_digest
from mmdino.leakage.descriptor import GRID, describe
from mmdino.nifti import Volume, in_ras, read_volume
from mmdino.tables import SEQUENCES

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fingerprints:
    """Of N patients: names, crops (N, 4, *GRID) float16, and hashes (N, 4) of files and of voxels, empty where missing."""

    cohorts: NDArray
    subjects: NDArray
    crops: NDArray[np.float16]
    files: NDArray
    voxels: NDArray

    def save(self, path: Path) -> None:
        """Write atomically, without compression (it is read whole)."""
        with atomic(path) as temporary, open(temporary, "wb") as opened:
            np.savez(opened, **vars(self))

    @staticmethod
    def load(paths: Iterable[Path]) -> "Fingerprints":
        """Read and join the cohorts' fingerprints.

        Raises:
            UserError: a file is missing or none of ours.
        """
        parts = []
        for path in paths:
            try:
                with np.load(path, allow_pickle=False) as opened:
                    parts.append(Fingerprints(**{name: opened[name] for name in opened.files}))
            except (OSError, ValueError, TypeError, KeyError, zipfile.BadZipFile) as error:
                raise UserError(
                    f"{path}: are no fingerprints ({one_line(error)}); run `mmdino fingerprint` again"
                ) from None
        return Fingerprints(
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
        )


def fingerprint(preprocessed: pd.DataFrame) -> Fingerprints:
    """Return the fingerprints of a cohort's preprocessed patients; one that cannot be read is logged and left out."""
    done = preprocessed[preprocessed["status"] == "done"].sort_values(["subject", "session"]).drop_duplicates("subject")
    people: list[tuple[str, str]] = []
    crops: list[NDArray[np.float16]] = []
    files: list[list[str]] = []
    voxels: list[list[str]] = []
    for row in tqdm(done.to_dict("records"), desc="fingerprints", unit="patient", disable=None):
        try:
            scans = {name: read_volume(row[name]) for name in SEQUENCES if row[name]}
            files.append([file_digest(row[name])[:32] if row[name] else "" for name in SEQUENCES])
        except UserError as error:
            log.warning("%s is not compared: %s", row["subject"], error)
            continue
        people.append((row["cohort"], row["subject"]))
        crops.append(_crops(row["subject"], scans))
        voxels.append([voxel_hash(scans[name]) if name in scans else "" for name in SEQUENCES])
    shape = (len(people), len(SEQUENCES))
    return Fingerprints(
        np.array([cohort for cohort, _ in people], np.str_),
        np.array([subject for _, subject in people], np.str_),
        np.array(crops, np.float16).reshape(*shape, *GRID),
        np.array(files, "<U32").reshape(shape),
        np.array(voxels, "<U32").reshape(shape),
    )


def _crops(subject: str, scans: dict[str, Volume]) -> NDArray[np.float16]:
    """Return the crops; zeros, so that hashes alone count, where too little of a brain is there."""
    try:
        return describe(scans).astype(np.float16)
    except UserError as error:
        log.warning("%s is compared by files and voxels only: %s", subject, error)
        return np.zeros((len(SEQUENCES), *GRID), np.float16)


def voxel_hash(volume: Volume) -> str:
    """Return a hash of the voxels alone: the same whatever the header, the type on disk and the order of the axes."""
    turned = in_ras(volume).array
    key = hashlib.blake2b(repr(turned.shape).encode(), digest_size=16)
    key.update(np.ascontiguousarray(turned, np.float32).tobytes())
    return key.hexdigest()
