"""The atlas that patients are brought to."""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from mmdino.errors import UserError
from mmdino.nifti import Volume, read_volume

CARRIED = "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


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
        UserError: the file is missing or bad, or is not skull-stripped (registration would then fail).
    """
    if name == "mni152":
        path, space = _carried(), "MNI152NLin2009aSym"
    else:
        path = Path(name)
        stem = re.sub(r"[^0-9A-Za-z]", "", path.name.removesuffix(".gz").removesuffix(".nii"))
        space = "SRI24" if stem.lower().startswith(("sri24", "sri")) else stem
    volume = read_volume(path)
    if (volume.array > 0).mean() > 0.6:
        raise UserError(f"{path}: this atlas has no empty background; give a skull-stripped T1 template")
    return Atlas(space, path, Volume(volume.array.astype(np.float32), volume.affine))


def _carried() -> Path:
    found = find_spec("nilearn")
    if found is None or found.origin is None:
        raise UserError("atlas 'mni152': nilearn, which carries it, is not installed; run `make setup` again")
    return Path(found.origin).parent / CARRIED
