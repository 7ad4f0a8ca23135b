"""Building a bank of slices or volumes: each scan is read once, its crops go to the arrays on disk, nothing is kept."""

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike, NDArray
from tqdm import tqdm

from mmdino.config import Bank, Volumes
from mmdino.dataset import slices
from mmdino.dataset.bank import AXIAL, Slices
from mmdino.dataset.before import STAMPS, Before, stamp
from mmdino.dataset.volumes import cut_volume
from mmdino.errors import UserError
from mmdino.files import atomic_folder, write_json
from mmdino.nifti import in_ras, on_one_grid, read_labels, read_volume
from mmdino.tables import FAILURES, SEQUENCES, SLICES, write_table


def build_bank(preprocessed: pd.DataFrame, settings: Bank | Volumes, folder: Path | str) -> None:
    """Cut slices (or, as ``settings`` say, volumes) of a cohort's patients into a bank folder.

    The patients are those of status ``done`` in ``tables.PREPROCESSED``.

    Where the folder holds a bank of the same settings already, only those are cut whose files are new or have changed.

    A patient whose volumes cannot be used becomes a row of the folder's ``failures.tsv``, and the others go on. The
    folder appears only when it is whole. Memory is bounded by one patient.

    Raises:
        UserError: the axial slices, by which patients are evaluated, are not asked for; or the disk is full.
    """
    if isinstance(settings, Bank) and AXIAL not in settings.axes:
        raise UserError(f"bank.axes is {settings.axes}: patients are evaluated on axial slices; add {AXIAL}")
    done = preprocessed[preprocessed["status"] == "done"].sort_values(["subject", "session"])
    patients: list[dict] = done.drop_duplicates("subject").to_dict("records")
    cut: Callable[[Mapping[str, str]], tuple[Slices, list[dict]]]
    shape: tuple[int, ...]
    if isinstance(settings, Bank):
        cut, shape = partial(patient_slices, settings=settings), (settings.crop, settings.crop)
    else:
        cut, shape = partial(patient_volume, settings=settings), (settings.planes, settings.size, settings.size)
    rows: list[dict] = []
    failures: list[dict] = []
    before, stamps = Before(Path(folder), settings), {}
    with (
        atomic_folder(folder) as temporary,
        _Growing(temporary / "images.npy", np.float16, (len(SEQUENCES), *shape)) as images,
        _Growing(temporary / "tumour.npy", np.uint8, shape) as tumour,
        _Growing(temporary / "present.npy", np.bool_, (len(SEQUENCES),)) as present,
    ):
        for patient in tqdm(patients, desc="crops", unit="patient", disable=None):
            try:
                stamps[patient["subject"]] = stamp(patient)
                crops, found = before.of(patient) or cut(patient)
            except Exception as error:  # whatever is wrong with one patient must not stop the others
                reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
                failures.append({"subject": patient["subject"], "reason": " ".join(reason.split())})
                continue
            images.append(crops.images)
            tumour.append(crops.tumour)
            present.append(crops.present)
            rows += [
                {"subject": patient["subject"], "offset": len(rows) + number, **row} for number, row in enumerate(found)
            ]
        write_table(SLICES, pd.DataFrame(rows, columns=list(SLICES.columns)), temporary / "index.parquet")
        write_json(temporary / STAMPS, stamps)
        write_table(FAILURES, pd.DataFrame(failures, columns=list(FAILURES.columns)), temporary / "failures.tsv")
        key = hashlib.blake2b(digest_size=8)
        for part in (images.digest, tumour.digest, present.digest, repr(rows).encode()):
            key.update(part)
        meta = {
            "version": settings.version,
            "settings": settings.model_dump(),
            "rows": len(rows),
            "key": key.hexdigest(),
        }
        write_json(temporary / "meta.json", meta)


def patient_slices(paths: Mapping[str, str], settings: Bank) -> tuple[Slices, list[dict]]:
    """Return one patient's crops, and for each its axis, slice and tumour voxels.

    Args:
        paths: by sequence and ``seg``; an empty path is a missing sequence. Volumes are turned to RAS first, so that an
            axis means the same in every cohort.

    Raises:
        UserError: a volume cannot be used, they do not share one grid, there is no tumour, or no sequence.
    """
    images, labels, _ = _read(paths)
    box = slices.tumour_box(labels)
    cut_images, cut_tumour, rows = [], [], []
    for axis in sorted(set(settings.axes)):
        counts = slices.tumour_voxels(labels[box], axis, settings.slice_choice)
        chosen = slices.training_slices(counts, settings.min_tumour_voxels)
        numbers = chosen + box[axis].start
        starts = _starts(labels, box, axis, chosen, settings)
        crops = np.zeros((len(numbers), len(SEQUENCES), settings.crop, settings.crop), np.float32)
        for row, image in images.items():
            crops[:, row] = _crops(np.moveaxis(image, axis, 0), numbers, starts, settings.crop)
        cut_images += [slices.scale(crop) for crop in crops]  # one by one: they stay in the processor's cache
        cut_tumour.append(_crops(np.moveaxis(labels, axis, 0), numbers, starts, settings.crop) > 0)
        found = zip(numbers, counts[chosen])
        rows += [{"axis": axis, "slice": int(number), "tumour_voxels": int(voxels)} for number, voxels in found]
    present = np.tile([bool(paths[name]) for name in SEQUENCES], (len(rows), 1))
    return Slices(np.stack(cut_images), np.concatenate(cut_tumour).astype(np.uint8), present), rows


def _starts(
    labels: NDArray, box: tuple[slice, ...], axis: int, chosen: NDArray[np.int64], settings: Bank
) -> list[tuple[int, int]]:
    """Return where the crop of each chosen plane starts; ``chosen`` counts from the first plane of the tumour's box."""
    tumour, shape = np.moveaxis(labels[box], axis, 0), np.delete(labels.shape, axis)
    corner = np.delete([side.start for side in box], axis)
    centres = (slices.centre_of_mass(tumour[number]) + corner for number in chosen)
    return [slices.start_round(centre, tuple(shape), settings.crop, settings.slice_choice) for centre in centres]


def _crops(planes: NDArray, numbers: NDArray[np.int64], starts: list[tuple[int, int]], size: int) -> NDArray:
    """Return a crop (n, size, size) of each of some planes (N, H, W).

    The box that holds them all is copied first, in the file's order: planes across that order then come from the cache.
    """
    low, high = np.maximum(np.min(starts, axis=0), 0), np.max(starts, axis=0) + size
    box = planes[numbers[0] : numbers[-1] + 1, low[0] : high[0], low[1] : high[1]].copy(order="K")
    places = zip(numbers - numbers[0], np.array(starts) - low)
    return np.stack([slices.crop(box[number], (row, column), size) for number, (row, column) in places])


def patient_volume(paths: Mapping[str, str], settings: Volumes) -> tuple[Slices, list[dict]]:
    """Return one patient's volume, and its axis, middle slice and tumour voxels (in that slice).

    Raises:
        UserError: as :func:`patient_slices`.
    """
    given, labels, spacing = _read(paths)
    images = np.zeros((len(SEQUENCES), *labels.shape), np.float32)
    for place, image in given.items():
        images[place] = image
    volume, tumour, middle = cut_volume(images, labels, spacing, settings)
    row = {"axis": AXIAL, "slice": middle, "tumour_voxels": int(np.count_nonzero(labels[:, :, middle]))}
    present = np.array([[bool(paths[name]) for name in SEQUENCES]])
    return Slices(volume[None], tumour[None], present), [row]


def _read(paths: Mapping[str, str]) -> tuple[dict[int, NDArray], NDArray, NDArray[np.float64]]:
    """Return what a patient has: images (X, Y, Z) by place in ``SEQUENCES``, labels (X, Y, Z), voxel sizes (3,), all RAS."""
    given = [name for name in SEQUENCES if paths[name]]
    if not given or not paths["seg"]:
        missing = "tumour segmentation" if given else "sequence"
        raise UserError(f"subject '{paths['subject']}' has no {missing}; without one no slice can be chosen")
    scans = {name: read_volume(paths[name], "K") for name in given}
    turned = on_one_grid(scans | {"seg": read_labels(paths["seg"], "K")}, paths)
    images = {SEQUENCES.index(name): in_ras(turned[name]).array for name in given}
    segmentation = in_ras(turned["seg"])
    return images, segmentation.array, segmentation.spacing


class _Growing:
    """A ``.npy`` file that grows row by row (numpy leaves room in the header for that), and the hash of its content."""

    def __init__(self, path: Path, dtype: DTypeLike, shape: tuple[int, ...]):
        self._dtype, self._shape, self._rows = np.dtype(dtype), shape, 0
        self._file: BinaryIO = open(path, "wb")  # noqa: SIM115 - closed by __exit__
        self._hash = hashlib.blake2b(digest_size=16)
        self._write_header()

    def append(self, rows: NDArray) -> None:
        content = np.ascontiguousarray(rows, self._dtype).data
        self._file.write(content)
        self._hash.update(content)
        self._rows += len(rows)

    @property
    def digest(self) -> bytes:
        return self._hash.digest()

    def _write_header(self) -> None:
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": (self._rows, *self._shape)}
        np.lib.format.write_array_header_1_0(self._file, header)

    def __enter__(self) -> "_Growing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            self._file.seek(0)
            self._write_header()
            self._file.flush()
            os.fsync(self._file.fileno())
