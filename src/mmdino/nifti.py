"""NIfTI volumes: read with the checks that keep bad files out of results, written with equal bytes every time."""

import gzip
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from isal import igzip
from isal.igzip_lib import IsalError
from nibabel.filebasedimages import ImageFileError, SerializableImage
from nibabel.fileholders import FileHolder
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from mmdino.errors import UserError, one_line
from mmdino.files import atomic

TOLERANCE_MM = 0.1
RESAMPLE = "resample it to that grid (a segmentation by nearest neighbour), or mend the header"
RAS = nib.orientations.axcodes2ornt("RAS")
Order = Literal["C", "K"]


class BadVolume(UserError):
    """A volume that cannot be used: the message names the file, says what is wrong with it and what to do."""


@dataclass(frozen=True)
class Volume:
    """A 3-D array with the 4×4 affine that takes voxel indices to millimetres (RAS+)."""

    array: NDArray
    affine: NDArray[np.float64]

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Voxel sizes in millimetres, shape (3,)."""
        return np.linalg.norm(self.affine[:3, :3], axis=0)

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel in millilitres."""
        return float(abs(np.linalg.det(self.affine[:3, :3]))) / 1000


def read_volume(path: Path | str, order: Order = "C") -> Volume:
    """Read a scan; its array has the type on disk (float32 where the header scales it).

    A trailing fourth dimension of length one is dropped. Where only one of qform and sform is set, that one counts.

    Args:
        path: .nii or .nii.gz.
        order: of the array in memory. K: as the file has it, which spares turning it round where only parts are used.

    Raises:
        BadVolume: the file is missing, truncated or no NIfTI; not 3-D; its affine is unset, zero or singular; its qform
            and sform put a corner more than 0.1 mm apart; or it holds NaN, infinity or one value everywhere.
    """
    image = _open(path)
    affine = _affine(image, path)
    array = _data(image, path, order)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise _bad(
            path,
            f"has {bad} voxels that are NaN or infinite",
            "export the scan again, or set them to 0 if they are background",
        )
    if _flat(array):
        raise _bad(
            path,
            f"holds the value {array.flat[0]} everywhere",
            "export the scan again, or leave the file out if there is none",
        )
    return Volume(array, affine)


def read_labels(path: Path | str, order: Order = "C") -> Volume:
    """Read a segmentation as uint8; ``order`` as for :func:`read_volume`.

    Raises:
        BadVolume: as for :func:`read_volume`, or a label is not a whole number in 0…255, or no voxel is labelled.
    """
    image = _open(path)
    affine = _affine(image, path)
    array = _data(image, path, order)
    with np.errstate(invalid="ignore"):
        labels = array.astype(np.uint8, copy=False)
    if labels is not array and not np.array_equal(labels, array):
        value = array[labels != array].flat[0]
        raise _bad(
            path,
            f"has the label {value}, and labels are whole numbers from 0 to 255",
            "export the segmentation with nearest-neighbour resampling",
        )
    if not labels.any():
        raise _bad(
            path,
            "is an empty segmentation (no voxel is labelled)",
            "segment the tumour, or leave the file out to have it segmented",
        )
    return Volume(labels, affine)


def is_packed(path: Path | str) -> bool:
    """Return whether a file is compressed, by its name (nibabel asks so too), in upper case as in lower."""
    return str(path).casefold().endswith(".gz")


def require_whole(path: Path | str) -> None:
    """Check, without reading the voxels, that a NIfTI file is as long as its header says (some .1 ms).

    Of a compressed file the length noted at its end is compared; where that differs, the file is read through: it may
    consist of several pieces, of which only the last one's length is noted.

    Raises:
        BadVolume: the file is no NIfTI, or breaks off; permissions count as breaking off.
    """
    compressed = is_packed(path)
    try:
        with gzip.open(path) if compressed else open(path, "rb") as opened:
            second = nib.Nifti2Header.may_contain_header(opened.read(nib.Nifti2Header.sizeof_hdr))
            opened.seek(0)
            header = (nib.Nifti2Header if second else nib.Nifti1Header).from_fileobj(opened, check=False)
            voxels = int(np.prod([int(length) for length in header.get_data_shape()]))
            expected = int(header["vox_offset"]) + voxels * header.get_data_dtype().itemsize
        with open(path, "rb") as raw:
            raw.seek(-4, 2) if compressed else raw.seek(0, 2)
            length = int.from_bytes(raw.read(4), "little") if compressed else raw.tell()
        if compressed and length == expected % 2**32:
            length = expected
        elif compressed:
            with gzip.open(path) as opened:
                length = sum(map(len, iter(lambda: opened.read(1 << 20), b"")))
    except (HeaderDataError, WrapStructError, OSError, EOFError, zlib.error, ValueError) as error:
        raise _bad(path, f"is truncated or damaged ({_said(error)})", "download or unpack it again") from None
    if length < expected:
        raise _bad(path, f"is truncated ({length} of {expected} bytes)", "download or unpack it again")


def reorient(volume: Volume, orientation: NDArray) -> Volume:
    """Return the volume with its axes flipped and swapped to a nibabel orientation; no voxel is interpolated."""
    change = nib.orientations.ornt_transform(nib.io_orientation(volume.affine), orientation)
    affine = volume.affine @ nib.orientations.inv_ornt_aff(change, volume.array.shape)
    return Volume(nib.apply_orientation(volume.array, change), affine)


def in_ras(volume: Volume) -> Volume:
    """Return the volume with its axes from left to right, back to front and feet to head; no voxel is interpolated."""
    return reorient(volume, RAS)


def same_space(a: Volume, b: Volume) -> bool:
    """Return whether two volumes lie on the same grid: equal shapes, and all corners within 0.1 mm."""
    return a.array.shape == b.array.shape and _apart(a.affine, b.affine, a.array.shape) <= TOLERANCE_MM


def on_one_grid(
    volumes: Mapping[str, Volume], paths: Mapping[str, Path | str | None], remedy: str = RESAMPLE
) -> dict[str, Volume]:
    """Return a patient's volumes, by name, with their axes in the order and the directions of the first one's.

    Some tools store a segmentation in another order than its scan (LPS beside RAS): the same voxels at the same places.

    Args:
        volumes: by name.
        paths: by the same names, their files.
        remedy: what to do if they do not share a grid.

    Raises:
        BadVolume: as for :func:`require_same_space`.
    """
    first = next(iter(volumes.values()))
    order = nib.io_orientation(first.affine)
    turned = {name: one if same_space(first, one) else reorient(one, order) for name, one in volumes.items()}
    require_same_space({str(paths[name]): volume for name, volume in turned.items()}, remedy)
    return turned


def require_same_space(volumes: Mapping[str, Volume], remedy: str = RESAMPLE) -> None:
    """Check that a patient's volumes, given by path, share one grid; ``remedy`` is what to do if they do not.

    Raises:
        BadVolume: naming the first that differs from the first given.
    """
    paths = list(volumes)
    for path in paths[1:]:
        first, other = volumes[paths[0]], volumes[path]
        if not same_space(first, other):
            what = (
                f"its grid {other.array.shape} is not {first.array.shape}"
                if first.array.shape != other.array.shape
                else f"its corners lie up to {_apart(first.affine, other.affine, first.array.shape):.1f} mm away"
            )
            raise _bad(
                path,
                f"is not in the space of {paths[0]}: {what}",
                remedy,
            )


def write_volume(array: NDArray, affine: NDArray, path: Path | str) -> None:
    """Write a volume atomically; equal input gives equal bytes.

    The type is kept, but bool becomes uint8, and 64-bit numbers become 32-bit ones. qform and sform are both set,
    unless the affine is sheared, which a qform cannot say.
    """
    narrower = {"b": np.uint8, "f8": np.float32, "i8": np.int32, "u8": np.uint32}
    kept = array.dtype.kind + ("" if array.dtype.kind == "b" else str(array.dtype.itemsize))
    image = nib.Nifti1Image(np.ascontiguousarray(array, narrower.get(kept, array.dtype)), affine)
    image.set_sform(affine, code=1)
    image.set_qform(affine, code=1)
    if _apart(image.get_qform(), affine, array.shape) > TOLERANCE_MM / 10:
        image.header["qform_code"] = 0
    image.header.set_xyzt_units("mm", "sec")
    content = image.to_bytes()
    with atomic(path) as temporary:
        if is_packed(temporary):
            content = gzip.compress(content, compresslevel=1, mtime=0)
        temporary.write_bytes(content)


def _bad(path: Path | str, wrong: str, remedy: str) -> BadVolume:
    return BadVolume(f"{path}: {wrong}; {remedy}")


def _open(path: Path | str) -> nib.Nifti1Pair:
    try:
        image = nib.load(path)
    except FileNotFoundError:
        if Path(path).exists():  # nibabel knows all of an ending in upper case, or all in lower
            raise _bad(path, "has an ending in mixed case", "rename it to .nii or .nii.gz") from None
        raise _bad(path, "there is no such file", "mend the path in the manifest or put the file there") from None
    except (ImageFileError, HeaderDataError, OSError, EOFError, zlib.error, ValueError) as error:
        raise _bad(
            path, f"is not a readable NIfTI file ({_said(error)})", "download or convert it again (dcm2niix)"
        ) from None
    if not isinstance(image, nib.Nifti1Pair):
        raise _bad(path, f"is not NIfTI but {type(image).__name__}", "convert it to .nii.gz")
    shape = image.shape
    if len(shape) < 3 or any(length > 1 for length in shape[3:]):
        raise _bad(
            path,
            f"has {len(shape)} dimensions {shape}, and one 3-D volume is needed",
            "extract the volume that you mean",
        )
    if 0 in shape:
        raise _bad(path, f"holds no voxels {shape}", "convert it again (dcm2niix)")
    return image


def _data(image: nib.Nifti1Pair, path: Path | str, order: Order) -> NDArray:
    try:
        array = _voxels(image, path)
    except (OSError, EOFError, zlib.error, IsalError, ValueError, MemoryError) as error:  # type: ignore[misc]  # its stub says `error: object`
        raise _bad(path, f"is truncated or damaged ({_said(error)})", "download or convert it again") from None
    if array.dtype.kind not in "uif":
        raise _bad(path, f"holds {array.dtype} values instead of numbers", "export it in greyscale")
    if array.dtype.itemsize == 8:
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int32)
    whole = array.reshape(array.shape[:3], order="F")  # NIfTI's order: no copy
    return np.asarray(whole, array.dtype.newbyteorder("="), order=order)


def _voxels(image: nib.Nifti1Pair, path: Path | str) -> NDArray:
    """Return the voxels as nibabel reads them, inflated by ISA-L where that can be: half the time of zlib."""
    if not is_packed(path) or not isinstance(image, SerializableImage):
        return np.asanyarray(image.dataobj)
    with igzip.open(path) as opened:
        return np.asanyarray(type(image).from_file_map({"image": FileHolder(fileobj=opened)}).dataobj)


def _flat(array: NDArray) -> bool:
    """Return whether all voxels are equal; mostly a few of them tell."""
    some = array.ravel("K")[::997]
    return bool(some.min() == some.max() and array.min() == array.max())


def _affine(image: nib.Nifti1Pair, path: Path | str) -> NDArray[np.float64]:
    """Return the affine that both of qform and sform give, or the one of them that is set."""
    sform = image.get_sform(coded=True)[0]
    try:
        qform = image.get_qform(coded=True)[0]
    except (HeaderDataError, ValueError) as error:
        raise _bad(path, f"has an unusable qform ({_said(error)})", "convert it again (dcm2niix)") from None
    given = {name: form for name, form in (("sform", sform), ("qform", qform)) if form is not None}
    if not given:
        raise _bad(
            path,
            "has neither a qform nor an sform, so left and right are unknown",
            "convert it again (dcm2niix) or set the header's affine",
        )
    for name, form in given.items():
        if _singular(form):
            raise _bad(
                path,
                f"has a zero or singular affine ({name})",
                "convert it again (dcm2niix) or set the header's affine",
            )
    if len(given) == 2:
        apart = _apart(given["sform"], given["qform"], image.shape[:3])
        if apart > TOLERANCE_MM:
            raise _bad(
                path,
                f"has a qform and an sform that disagree by {apart:.1f} mm",
                "keep the right one: set the other's code to 0 (fslorient, nibabel)",
            )
    return np.asarray(next(iter(given.values())), np.float64)


def _singular(affine: NDArray) -> bool:
    if not np.isfinite(affine).all():
        return True
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    return bool(sizes.min() < 1e-3 or abs(np.linalg.det(affine[:3, :3])) < 1e-3 * sizes.prod())


def _apart(a: NDArray, b: NDArray, shape: tuple[int, ...]) -> float:
    """Return the largest distance in mm between the places that two affines give to a corner of the grid."""
    corners = np.array([[i, j, k, 1] for i in (0, shape[0] - 1) for j in (0, shape[1] - 1) for k in (0, shape[2] - 1)])
    return float(np.linalg.norm((corners @ (np.asarray(a) - np.asarray(b)).T)[:, :3], axis=1).max())


def _said(error: Exception) -> str:
    return one_line(error)[:120]
