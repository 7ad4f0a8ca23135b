"""The slice bank: every crop that training or evaluation may ask for, cut once and memory-mapped.

A volume bank is the same with one row a patient, each crop being a stack of planes (``dataset/volumes.py``).

A bank folder holds, for each row, ``images.npy`` (float16; t1, t1c, t2, flair), ``tumour.npy`` (uint8, 1 = tumour) and
``present.npy`` (bool; which sequences the patient has); ``index.parquet`` says what a row is, ``failures.tsv`` who was
left out and why, ``meta.json`` the version, the settings and a key of the content, and ``sources.json`` what each patient
was cut from.
"""

import errno
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmdino.config import Bank, Reads, Volumes
from mmdino.errors import UserError, one_line
from mmdino.files import content_key, read_json
from mmdino.tables import SLICES, read_table

AXIAL = 2
NO_MAPS = (errno.ENODEV, errno.EINVAL, errno.EPERM, errno.EOPNOTSUPP)  # what filesystems without them answer
VOLUME = 5  # axes of a volume bank's images: patient, sequence, plane, row, column


@dataclass(frozen=True)
class Slices:
    """Crops in memory.

    Rows (H) run along the first remaining axis of the volume: left to right in axial and coronal crops.

    Attributes:
        images: (n, 4, H, W), of volumes (n, 4, planes, H, W), float32 in [0, 1], in the order of ``tables.SEQUENCES``;
            an absent sequence is 0.
        tumour: (n, H, W), of volumes (n, planes, H, W), uint8, 1 in the tumour.
        present: (n, 4) bool, which sequences the patient has.
        rows: (n,) where they lie in the bank that they were read from; else None.
    """

    images: NDArray[np.float32]
    tumour: NDArray[np.uint8]
    present: NDArray[np.bool_]
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def take(self, which: NDArray[np.intp]) -> "Slices":
        """Return some of the crops, in the order given."""
        rows = None if self.rows is None else self.rows[which]
        return Slices(self.images[which], self.tumour[which], self.present[which], rows)


class SliceBank:
    """Banks of one or more cohorts, read as one. Rows are numbered through; a subject occurs in one of them only."""

    def __init__(self, folders: list[Path], metas: list[dict], indices: list[pd.DataFrame], planes: int | None = None):
        self._images = [_mapped(folder, "images", meta) for folder, meta in zip(folders, metas)]
        self._tumour = [_mapped(folder, "tumour", meta) for folder, meta in zip(folders, metas)]
        self.kind: Reads = "volumes" if self._images[0].ndim == VOLUME else "slices"
        if planes is not None:
            self._images = [_middle(images, planes, folder) for images, folder in zip(self._images, folders)]
            self._tumour = [_middle(tumour, planes, folder) for tumour, folder in zip(self._tumour, folders)]
        self._present = np.concatenate(
            [np.array(_mapped(folder, "present", meta)) for folder, meta in zip(folders, metas)]
        )
        self._ends = np.cumsum([meta["rows"] for meta in metas])
        self.index: pd.DataFrame = pd.concat(indices, ignore_index=True)
        self.shape: tuple[int, ...] = self._images[0].shape[2:]  # of a crop: (H, W) or (planes, H, W)
        self.key: str = content_key([meta["key"] for meta in metas])
        self._rows: dict[str, NDArray[np.int64]] = {
            str(subject): np.asarray(rows) for subject, rows in self.index.groupby("subject").indices.items()
        }
        self._axis = self.index["axis"].to_numpy()
        self._voxels = self.index["tumour_voxels"].to_numpy()

    @classmethod
    def open(cls, folders: Sequence[Path | str], planes: int | None = None) -> "SliceBank":
        """Open bank folders.

        Args:
            folders: all slice banks, or all volume banks.
            planes: of each volume only so many are read, round the middle one; None: all.

        Raises:
            UserError: one is missing, half built, of another version or of other settings than the first, or a subject
                lies in two of them; or volumes have fewer planes.
        """
        paths = [Path(folder) for folder in folders]
        metas = [_meta(folder) for folder in paths]
        for folder, meta in zip(paths, metas):
            if meta["settings"] != metas[0]["settings"]:
                raise _refused(folder, f"was built with other settings than {paths[0]}")
        indices = [read_table(SLICES, folder / "index.parquet") for folder in paths]
        owner: dict[str, Path] = {}
        for folder, index in zip(paths, indices):
            for subject in index["subject"].unique():
                if subject in owner:
                    raise UserError(
                        f"{folder}: subject '{subject}' also lies in {owner[subject]}; ids must differ between "
                        "cohorts: rename one, or leave one out"
                    )
                owner[subject] = folder
        return cls(paths, metas, indices, planes)

    @property
    def subjects(self) -> list[str]:
        """Return everybody with slices, sorted."""
        return sorted(self._rows)

    def read(self, rows: Iterable[int] | NDArray[np.int64]) -> Slices:
        """Return the crops of some rows, in the order given (a row may come twice)."""
        wanted = np.asarray(list(rows) if not isinstance(rows, np.ndarray) else rows, np.int64)
        images = np.empty((len(wanted), *self._images[0].shape[1:]), np.float32)
        tumour = np.empty((len(wanted), *self._tumour[0].shape[1:]), np.uint8)
        which = np.searchsorted(self._ends, wanted, side="right")
        for number in np.unique(which):
            there = which == number
            local = wanted[there] - (self._ends[number - 1] if number else 0)
            images[there] = self._images[number][local]
            tumour[there] = self._tumour[number][local]
        return Slices(images, tumour, self._present[wanted], wanted)

    def training_rows(self, subject: str, axis: int | None = None) -> NDArray[np.int64]:
        """Return a subject's rows (≥ min_tumour_voxels, else the slice with most), of all axes or of one."""
        rows = self._rows[subject]
        return rows if axis is None else rows[self._axis[rows] == axis]

    def draw(self, subject: str, generator: np.random.Generator) -> int:
        """Draw a training row: the axis uniformly, then the slice uniformly (the paper's rule)."""
        axes = np.unique(self._axis[self._rows[subject]])
        return int(generator.choice(self.training_rows(subject, int(generator.choice(axes)))))

    def axial_voxels(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return, for the patient of each row, the tumour voxels of all axial slices in the bank: a measure of volume."""
        subjects = self.index["subject"].to_numpy()[rows]
        return np.array([self._voxels[self.training_rows(str(subject), AXIAL)].sum() for subject in subjects], np.int64)

    def evaluation_row(self, subject: str, axis: int = AXIAL, rank: int = 0) -> int:
        """Return the row of the slice with the most tumour (of equals the lowest), or of the ``rank``-th after it.

        Where a patient has no such one it is the last (:meth:`has_rank`).

        Raises:
            UserError: the bank has no slice of the axis.
        """
        rows = self.training_rows(subject, axis)
        if not len(rows):
            raise UserError(f"the slice bank has no slice of axis {axis}; add it to `bank.axes` of the study")
        most = np.argsort(-self._voxels[rows], kind="stable")
        return int(rows[most[min(rank, len(rows) - 1)]])

    def has_rank(self, subject: str, axis: int, rank: int) -> bool:
        """Return whether a patient has more than ``rank`` slices of an axis."""
        return len(self.training_rows(subject, axis)) > rank


def _meta(folder: Path) -> dict:
    if not (folder / "meta.json").exists():
        raise _refused(folder, "is no slice bank, or only half of one")
    meta = read_json(folder / "meta.json")
    kind, ours = ("volume", Volumes.version) if "planes" in meta["settings"] else ("slice", Bank.version)
    if meta.get("version") != ours:
        raise _refused(
            folder, f"is a {kind} bank of version {meta.get('version')}, and this program reads version {ours}"
        )
    return meta


def _mapped(folder: Path, name: str, meta: dict) -> NDArray:
    path = folder / f"{name}.npy"
    try:
        array = _loaded(path, mapped=bool(meta["rows"]))
    except (OSError, ValueError, EOFError) as error:
        raise _refused(path, f"cannot be read ({one_line(error)})") from None
    if len(array) != meta["rows"]:
        raise _refused(path, f"holds {len(array)} rows, and meta.json says {meta['rows']}")
    return array


def _loaded(path: Path, mapped: bool) -> NDArray:
    """Return the array mapped, or, where the filesystem knows no memory maps, read; then it says so."""
    if not mapped:
        return np.load(path, allow_pickle=False)
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except OSError as error:
        if error.errno not in NO_MAPS:
            raise
        print(
            f"{path}: cannot be mapped on this filesystem ({error.strerror}), and is read into memory, "
            f"{path.stat().st_size / 1e9:.1f} GB; put `results` on another disk to spare that",
            file=sys.stderr,
        )
        return np.load(path, allow_pickle=False)


def _middle(array: NDArray, planes: int, folder: Path) -> NDArray:
    """Return the middle planes of (…, planes, H, W); of a memory map, another map."""
    there = array.shape[-3]
    if planes > there:
        raise UserError(f"{folder}: has {there} planes a patient, and {planes} are asked for; set `volumes.planes`")
    first = (there - planes) // 2
    return array[..., first : first + planes, :, :]


def _refused(path: Path, wrong: str) -> UserError:
    return UserError(
        f"{path}: {wrong}; delete it and run the step that writes it again (`mmdino slices`, `mmdino volumes`)"
    )
