"""A synthetic whole head from nilearn's MNI152 maps: skull, scalp, a tumour, four sequences in four spaces."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import affine_transform, distance_transform_edt, gaussian_filter

from mmdino.nifti import write_volume
from mmdino.preprocess.atlas import CARRIED, load_atlas

TISSUES = {  # csf, grey, white, skull, scalp, tumour core, enhancing, oedema
    "t1": (150, 420, 620, 60, 800, 280, 350, 380),
    "t1c": (150, 430, 630, 60, 820, 260, 900, 380),
    "t2": (900, 520, 380, 50, 500, 850, 600, 750),
    "flair": (120, 480, 400, 50, 480, 520, 560, 850),
}
MOVES = {
    "t1": (4, -3, 2, 3, -2, 5),
    "t1c": (6, 4, -5, 8, -6, 10),
    "t2": (5, 3, -2, 6, -8, 9),
    "flair": (3, 5, -6, 9, -4, 8),
}
SPACING = {"t1": (1.5, 1.5, 2.0), "t1c": (1.5, 1.5, 1.5), "t2": (1.5, 1.5, 4.0), "flair": (1.5, 2.0, 1.5)}
CENTRE = np.array([30.0, 20.0, 25.0])


@dataclass
class Head:
    """Where a head's files are, and its truth: pulls (atlas to scanner) and the brain mask in atlas space."""

    row: dict[str, str]
    pulls: dict[str, np.ndarray]
    brain: np.ndarray


def make_head(folder: Path, subject: str, sequences=tuple(TISSUES), seed=0) -> Head:
    """Write a head's sequences into ``folder``."""
    rng = np.random.default_rng(seed)
    tissue, brain, affine = _tissues()
    pulls = {name: _pull(MOVES[name]) for name in TISSUES}
    row = dict.fromkeys(TISSUES, "")
    for name in sequences:
        spacing = np.array(SPACING[name])
        shape = np.ceil(np.array([200, 236, 210]) / spacing).astype(int)
        grid = np.diag([*spacing, 1.0])
        grid[:3, 3] = -(shape - 1) * spacing / 2 + pulls[name][:3, 3] + [0, 0, 8]
        voxels = np.linalg.inv(affine) @ np.linalg.inv(pulls[name]) @ grid
        clean = np.choose(np.minimum(tissue, 8), (0, *TISSUES[name])).astype(np.float32)
        image = affine_transform(clean, voxels[:3, :3], voxels[:3, 3], tuple(shape), order=1)
        image = np.clip(image + rng.normal(0, 12, image.shape), 0, None).astype(np.int16)
        path = folder / subject / f"{subject}_{name}.nii.gz"
        write_volume(image, grid, path)
        row[name] = str(path)
    return Head(row, pulls, brain)


def _tissues():
    """Return tissue numbers 1…8 on the padded atlas grid, the brain mask on the atlas grid, and the padded affine."""
    atlas = load_atlas("mni152")
    folder = atlas.path.parent
    maps = {}
    for tissue in ("gm", "wm"):
        maps[tissue] = nib.load(folder / Path(CARRIED).name.replace("_t1_", f"_{tissue}_")).get_fdata(dtype=np.float32)
    brain = gaussian_filter((atlas.volume.array > 0).astype(np.float32), 1) > 0.5
    pad = 20
    affine = atlas.volume.affine.copy()
    affine[:3, 3] -= pad
    padded = np.pad(brain, pad)
    gm, wm = (np.pad(maps[tissue], pad) for tissue in ("gm", "wm"))
    outside = distance_transform_edt(~padded)
    tissue = np.zeros(padded.shape, np.uint8)
    tissue[outside <= 15] = 5
    tissue[outside <= 9] = 4
    tissue[outside <= 3] = 1
    tissue[padded & (gm > 90)] = 2
    tissue[padded & (wm > gm) & (wm > 90)] = 3
    grid = np.indices(padded.shape).reshape(3, -1).T + affine[:3, 3]
    radius = np.linalg.norm(grid - CENTRE, axis=1).reshape(padded.shape)
    for limit, number in ((26, 8), (16, 7), (11, 6)):
        tissue[padded & (radius < limit)] = number
    return tissue, brain, affine


def _pull(move):
    angles, shift = np.radians(move[:3]), move[3:]
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    turn = (
        np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
        @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    )
    pull = np.eye(4)
    pull[:3, :3], pull[:3, 3] = turn, shift
    return pull
