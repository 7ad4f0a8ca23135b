"""Where a patient's derivatives lie: a valid BIDS-derivatives dataset, its names built in one place."""

import re
from pathlib import Path
from typing import Any

from mmdino import __version__
from mmdino.errors import UserError
from mmdino.files import write_json, write_text
from mmdino.preprocess.atlas import Atlas

IGNORED = ("figures", "transforms", "records")  # folders that BIDS has no place for
LABELS = {
    1: "necrotic or non-enhancing core; all of the tumour, where nothing else is labelled",
    2: "oedema",
    3: "enhancing tumour",
}
ANAT = {
    "t1": ("", "desc-preproc_T1w"),
    "t1c": ("ce-gadolinium_", "desc-preproc_T1w"),
    "t2": ("", "desc-preproc_T2w"),
    "flair": ("", "desc-preproc_FLAIR"),
    "mask": ("", "desc-brain_mask"),
    "seg": ("", "desc-tumor_dseg"),
}


class Names:
    """The paths of one session's derivatives; ``UserError`` for an id of which BIDS can make no name."""

    def __init__(self, derivatives: Path, subject: str, session: str, atlas: Atlas):
        if not _label(subject):
            raise UserError(
                f"'{subject}' has neither a letter (a–z) nor a digit, of which BIDS names are made; rename it"
            )
        self.folder = derivatives
        self.subject = f"sub-{_label(subject)}"
        self.session = f"ses-{_label(session) or 'preop'}"
        self.space = atlas.space

    def path(self, kind: str) -> Path:
        """Return the path of t1, t1c, t2, flair, mask, seg, figure, record, transforms or transform-<sequence>."""
        stem = f"{self.subject}_{self.session}"
        if kind in ANAT:
            contrast, suffix = ANAT[kind]
            name = f"{stem}_{contrast}space-{self.space}_{suffix}.nii.gz"
            return self.folder / self.subject / self.session / "anat" / name
        if kind == "figure":
            return self.folder / "figures" / f"{stem}_qc.png"
        if kind == "record":
            return self.folder / "records" / f"{stem}.json"
        folder = self.folder / "transforms" / self.subject / self.session
        if kind == "transforms":
            return folder
        if kind.startswith("transform-"):
            return folder / f"{stem}_from-{kind.removeprefix('transform-')}_to-{self.space}_xfm.txt"
        raise ValueError(f"no derivative is called '{kind}'")


def write_dataset(derivatives: Path, cohort: str, atlas: Atlas) -> None:
    """Write what makes the folder a BIDS-derivatives dataset."""
    description = {
        "Name": f"{cohort}: registered to {atlas.space}, skull-stripped and segmented",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "mmdino preprocess", "Version": __version__}],
    }
    write_json(derivatives / "dataset_description.json", description)
    write_text(derivatives / ".bidsignore", "".join(f"{folder}\n" for folder in IGNORED))
    write_text(
        derivatives / "README",
        f"Derivatives of cohort {cohort}, made by `mmdino preprocess`. figures/ holds a picture a patient for quality "
        "control, transforms/ the ITK transforms from scanner to atlas, records/ what each was made from.\n",
    )


def write_side_files(derivatives: Path, atlas: Atlas, kinds: set[str], automatic: bool = False) -> None:
    """Write, at the dataset's root, what holds for every file of ``kinds`` (of :data:`ANAT`); a kind without a file has none.

    ``automatic``: no segmentation was drawn or corrected by hand. Of those that were given that is not known, and then
    nothing is said of it.
    """
    space: dict[str, Any] = {} if atlas.standard else {"SpatialReference": str(atlas.path)}
    told: dict[str, dict[str, Any]] = {"mask": {"Type": "Brain"}, "seg": {"Manual": False} if automatic else {}}
    for kind in kinds:
        said = told.get(kind, {"SkullStripped": True})
        write_json(derivatives / f"space-{atlas.space}_{ANAT[kind][1]}.json", {**said, **space})
    if "seg" in kinds:
        rows = "".join(f"{index}\t{name}\n" for index, name in LABELS.items())
        write_text(derivatives / f"space-{atlas.space}_{ANAT['seg'][1]}.tsv", f"index\tname\n0\tbackground\n{rows}")


def _label(text: str) -> str:
    """Return the letters and digits of an identifier: all that a BIDS label may hold."""
    return re.sub(r"[^0-9A-Za-z]", "", text)
