"""Patients to scroll through: all axial slices of a sequence in one small picture, the outlines in another."""

import base64
import io
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor
from scipy import ndimage

from mmdino.errors import UserError
from mmdino.files import stable_hash
from mmdino.nifti import Volume, on_one_grid, read_labels, read_volume, reorient
from mmdino.preprocess.figure import BRAIN, TUMOUR
from mmdino.preprocess.images import RAS
from mmdino.preprocess.segment import harmonise_labels
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.pictures import at_hand, caption
from mmdino.tables import SEQUENCES

MOST = 6  # patients
MOST_BYTES = 3_500_000  # of all patients together, as they stand in the page
GRAIN = (1.0, 1.0, 2.0)  # mm that a pixel and a slice stand for, at least
COLUMNS = 8  # slices side by side in a picture
MARGIN = 3  # voxels round the brain
WEBP = {"quality": 50, "method": 1}
OUTLINES = {"brain": BRAIN, "core": "#7fb2ff", "oedema": TUMOUR, "enhancing": "#ff6b4a"}  # in the order of the labels


@dataclass(frozen=True)
class Viewed:
    """A patient to scroll through.

    Attributes:
        title: subject and cohort.
        caption: what quality control says.
        sheets: by sequence, a picture (data URI) of all slices in rows of ``COLUMNS``; a missing sequence has none.
        outlines: the same of the outlines, transparent elsewhere.
        width, height: of a slice in the pictures, pixels.
        aspect: width over height of a slice in mm.
        places: of each slice along the z axis, mm.
        first: the slice with most tumour.
    """

    title: str
    caption: str
    sheets: dict[str, str]
    outlines: str
    width: int
    height: int
    aspect: float
    places: list[int]
    first: int

    @property
    def size(self) -> int:
        """Return how many characters its pictures take."""
        return sum(map(len, self.sheets.values())) + len(self.outlines)


def sample(data: StudyFiles) -> tuple[list[Viewed], list[str]]:
    """Return a few patients, and of those who were chosen but cannot be shown, why.

    One of each cohort in turn, those from whole heads first; in a cohort flagged patients come before the others, and a
    hash of the names decides.
    """
    shown: list[Viewed] = []
    problems: list[str] = []
    for row in _chosen(data)[: 2 * MOST]:
        try:
            viewed = view(data, row)
        except UserError as error:
            problems.append(f"{row['subject']}: {error}")
            continue
        if shown and viewed.size + sum(other.size for other in shown) > MOST_BYTES:
            break
        shown.append(viewed)
        if len(shown) == MOST:
            break
    return shown, problems


def _chosen(data: StudyFiles) -> list[dict]:
    done = data.preprocessed[data.preprocessed["status"] == "done"]
    order = [(flags == "", stable_hash("viewer", name)) for flags, name in zip(done["flags"], done["subject"])]
    rows = [row for _, row in sorted(zip(order, done.to_dict("records")), key=lambda pair: pair[0])]
    turns: Counter[str] = Counter()
    for row in rows:
        turns[row["cohort"]] += 1
        row["turn"] = turns[row["cohort"]]
    cohorts = list(data.study.study.cohorts)
    return sorted(rows, key=lambda row: (row["turn"], row["stage"] != "native", cohorts.index(row["cohort"])))


def view(data: StudyFiles, row: dict) -> Viewed:
    """Return a patient's slices, quantised.

    Args:
        data: says where relative paths start.
        row: of ``tables.PREPROCESSED``.

    Raises:
        UserError: a file is missing or cannot be read, or the files do not share a grid.
    """
    paths = {name: at_hand(data, row[name]) for name in (*SEQUENCES, "seg", "mask") if row[name]}
    missing = [str(row[name]) for name, path in paths.items() if path is None]
    if missing:
        raise UserError(f"{missing[0]}: is not at hand; build the report where the study was preprocessed")
    scans = {name: read_volume(path, "K") for name, path in paths.items() if path and name in SEQUENCES}
    masks = {name: read_labels(path, "K") for name, path in paths.items() if path and name not in SEQUENCES}
    turned = on_one_grid(scans | masks, paths)
    scans, masks = {name: turned[name] for name in scans}, {name: turned[name] for name in masks}
    inside = masks["mask"].array > 0 if "mask" in masks else np.any([v.array != 0 for v in scans.values()], axis=0)
    affine = next(iter(scans.values())).affine
    grid = reorient(Volume(inside, affine), RAS)
    cut = _cut(grid)
    brain = _slices(inside, affine, cut)
    labels = np.zeros(brain.shape, np.uint8)
    if "seg" in masks:
        labels = harmonise_labels(_slices(masks["seg"].array, affine, cut), row["seg"])
    heights = grid.affine[2, 3] + grid.affine[2, 2] * np.arange(grid.array.shape[2])[cut[2]]
    _, height, width = brain.shape
    step = np.array([part.step for part in cut[:2]]) * grid.spacing[:2]
    return Viewed(
        title=f"{row['subject']} ({row['cohort']})",
        caption=caption(row),
        sheets={name: _webp(_grey(_slices(scan.array, affine, cut))) for name, scan in scans.items()},
        outlines=_png(_outlines(brain, labels)),
        width=width,
        height=height,
        aspect=round(float(width * step[0] / (height * step[1])), 4),
        places=[round(float(place)) for place in heights],
        first=int((labels > 0).sum(axis=(1, 2)).argmax()),
    )


def _cut(brain: Volume) -> tuple[slice, ...]:
    """Return the box round the brain, in steps of about ``GRAIN``."""
    steps = np.maximum(1, np.rint(np.array(GRAIN) / brain.spacing)).astype(int).tolist()
    seen = [np.flatnonzero(brain.array.any(axis=tuple({0, 1, 2} - {axis}))).tolist() for axis in range(3)]
    return tuple(slice(max(0, at[0] - MARGIN), at[-1] + 1 + MARGIN, step) for at, step in zip(seen, steps))


def _slices(array: NDArray, affine: NDArray, cut: tuple[slice, ...]) -> NDArray:
    """Return (slices, height, width): from the feet up, front up, the patient's left on the left."""
    turned = reorient(Volume(array, affine), RAS).array[cut]
    return np.flip(turned.transpose(2, 1, 0), 1)


def _grey(slices: NDArray) -> NDArray[np.uint8]:
    seen = slices[slices > 0]
    top = np.percentile(seen, 99.5) if seen.size else 1
    return (np.clip(slices / top, 0, 1) * 255).astype(np.uint8)


def _outlines(brain: NDArray[np.bool_], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return where in each slice a part's border is, as its number in ``OUTLINES``, counted from 1."""
    drawn = np.zeros(brain.shape, np.uint8)
    for number, part in enumerate((brain, *(labels == label for label in (1, 2, 3))), start=1):
        inner = ndimage.binary_erosion(part, structure=np.ones((1, 3, 3), bool))
        drawn[part & ~inner] = number
    return drawn


def _sheet(slices: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the slices as one picture, ``COLUMNS`` in a row."""
    count, height, width = slices.shape
    rows = -(-count // COLUMNS)
    padded = np.concatenate([slices, np.zeros((rows * COLUMNS - count, height, width), np.uint8)])
    return padded.reshape(rows, COLUMNS, height, width).swapaxes(1, 2).reshape(rows * height, COLUMNS * width)


def _webp(slices: NDArray[np.uint8]) -> str:
    written = io.BytesIO()
    Image.fromarray(_sheet(slices)).save(written, "WEBP", **WEBP)
    return _uri("webp", written)


def _png(slices: NDArray[np.uint8]) -> str:
    picture = Image.fromarray(_sheet(slices)).convert("P")
    picture.putpalette(_palette(["#000000", *OUTLINES.values()]))
    written = io.BytesIO()
    picture.save(written, "PNG", transparency=0, bits=4)
    return _uri("png", written)


def _palette(colours: Iterable[str]) -> list[int]:
    return [value for colour in colours for value in ImageColor.getrgb(colour)]


def _uri(kind: str, written: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(written.getvalue()).decode()}"
