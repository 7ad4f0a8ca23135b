"""The atlas that patients are brought to."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mmdino.errors import UserError
from mmdino.nifti import Volume, read_volume

CARRIED = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
BRAIN_ML = (900, 2600)  # what a stripped head can hold: MNI152's brain has 1,887 ml, Colin27's whole head 4,150 ml
SRI24 = re.compile(r"sri(24)?(?![a-z])", re.IGNORECASE)  # the archive's files are called spgr, t1_brain and the like


@dataclass(frozen=True)
class Atlas:
    """A skull-stripped T1 template: its BIDS space label, file, and voxels (float32)."""

    space: str
    path: Path
    volume: Volume

    @property
    def standard(self) -> bool:
        """Whether BIDS knows the space by name, so that no reference needs to be given."""
        return self.space.startswith("MNI152NLin")


def load_atlas(name: str) -> Atlas:
    """Load ``mni152`` (the MNI152 2009a symmetric 1 mm template that nilearn carries) or a file.

    Raises:
        UserError: the file is missing or bad, or what is above 0 cannot be a brain (registration would then fail).
    """
    if name == "mni152":
        path, space = _carried(), "MNI152NLin2009aSym"
    else:
        path = Path(name).expanduser()
        space = _space(path)
    if not path.exists():
        raise UserError(f"{path}: there is no such atlas; mend `preprocess.atlas` of the study, or put the file there")
    volume = read_volume(path)
    brain = np.count_nonzero(volume.array > 0) * volume.voxel_ml
    if not BRAIN_ML[0] < brain < BRAIN_ML[1]:
        raise UserError(
            f"{path}: {brain:.0f} ml of this atlas are above 0, and a brain has {BRAIN_ML[0]} to {BRAIN_ML[1]} ml; give a "
            "skull-stripped T1 template whose background is 0"
        )
    return Atlas(space, path, Volume(volume.array.astype(np.float32), volume.affine))


def _space(path: Path) -> str:
    """Return what BIDS names call the space of an atlas: SRI24 if the file or its folder is called so, else the file's name."""
    stem = re.sub(r"[^0-9A-Za-z]", "", re.sub(r"\.nii(\.gz)?$", "", path.name, flags=re.IGNORECASE))
    return "SRI24" if stem.lower().startswith("sri") or SRI24.match(path.absolute().parent.name) else stem


def _carried() -> Path:
    found = find_spec("nilearn")
    if found is None or found.origin is None:
        raise UserError("atlas 'mni152': nilearn, which carries it, is not installed; run `make setup` again")
    return Path(found.origin).parent / CARRIED
