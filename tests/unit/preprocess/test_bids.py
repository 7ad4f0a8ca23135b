import shutil
from pathlib import Path

import numpy as np
import pytest

from mmdino.errors import UserError
from mmdino.nifti import Volume, write_volume
from mmdino.preprocess.atlas import Atlas, load_atlas
from mmdino.preprocess.bids import ANAT, Names, write_dataset, write_side_files
from validated import bids_errors

ATLASES = {
    "standard": Atlas("MNI152NLin2009aSym", Path("mni.nii.gz"), Volume(np.zeros((2, 2, 2)), np.eye(4))),
    "custom": Atlas("SRI24", Path("sri24.nii.gz"), Volume(np.zeros((2, 2, 2)), np.eye(4))),
}


@pytest.mark.parametrize("missing", [set(), {"t2", "flair"}], ids=["whole", "two missing"])
@pytest.mark.parametrize("atlas", ATLASES.values(), ids=ATLASES)
def test_derivatives_are_valid_bids(tmp_path, atlas, missing):
    write_dataset(tmp_path, "cohort", atlas)
    for subject in ("UPENN-GBM-00001", "b2"):
        names = Names(tmp_path, subject, "preop", atlas)
        for kind in ANAT.keys() - missing:
            write_volume(np.arange(8, dtype=np.uint8).reshape(2, 2, 2), np.eye(4), names.path(kind))
        for kind in ("figure", "record", "transform-t2"):
            names.path(kind).parent.mkdir(parents=True, exist_ok=True)
            names.path(kind).write_text("{}")
    write_side_files(tmp_path, atlas, ANAT.keys() - missing)
    assert bids_errors(tmp_path) == []


def test_names_are_all_different_and_below_the_folder(tmp_path):
    names = Names(tmp_path, "A_1", "", ATLASES["standard"])
    kinds = [*ANAT, "figure", "record", "transforms", "transform-t1", "transform-t2"]
    paths = [names.path(kind) for kind in kinds]
    assert len(set(paths)) == len(kinds)
    assert all(path.is_relative_to(tmp_path) and "ses-preop" in str(path) for path in paths)
    assert names.path("t1c").name == "sub-A1_ses-preop_ce-gadolinium_space-MNI152NLin2009aSym_desc-preproc_T1w.nii.gz"


def test_the_carried_atlas_and_one_by_path_are_the_same(tmp_path):
    carried = load_atlas("mni152")
    assert carried.volume.array.shape == (197, 233, 189)
    shutil.copy(carried.path, tmp_path / "sri24_t1.nii.gz")
    other = load_atlas(str(tmp_path / "sri24_t1.nii.gz"))
    assert (other.space, other.standard, carried.standard) == ("SRI24", False, True)
    np.testing.assert_array_equal(other.volume.array, carried.volume.array)


def test_an_atlas_in_the_home_folder_is_found_and_a_missing_one_says_which_setting(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    shutil.copy(load_atlas("mni152").path, tmp_path / "sri24_t1.nii.gz")
    assert load_atlas("~/sri24_t1.nii.gz").path == tmp_path / "sri24_t1.nii.gz"
    with pytest.raises(UserError, match=r"none\.nii\.gz: there is no such atlas; mend `preprocess\.atlas`"):
        load_atlas("~/none.nii.gz")


@pytest.mark.parametrize(
    ("path", "space"),
    [
        ("sri24/t1_brain.nii.gz", "SRI24"),
        ("SRI24_T1.NII.GZ", "SRI24"),
        ("sri_t1.nii.gz", "SRI24"),
        ("SRI24-spm8/templates.nii", "SRI24"),
        ("sridhar/t1_brain.nii.gz", "t1brain"),
        ("atlas/T1_brain.NII.GZ", "T1brain"),
    ],
)
def test_an_atlas_is_called_by_its_file_or_its_folder(tmp_path, path, space):
    path = tmp_path / path
    path.parent.mkdir(exist_ok=True)
    write_volume(_ball(60), np.diag([2.0, 2, 2, 1]), path)
    assert load_atlas(str(path)).space == space


def _ball(radius):
    """Return a grid of 2 mm of a whole head's size with a ball of so many mm in it."""
    grid = np.indices((90, 108, 90)) * 2 - np.array([90, 108, 90]).reshape(3, 1, 1, 1)
    return (np.linalg.norm(grid, axis=0) < radius).astype(np.float32)


@pytest.mark.parametrize(("radius", "millilitres"), [(88, 2855), (50, 524)])
def test_an_atlas_that_cannot_be_a_brain_is_refused(tmp_path, radius, millilitres):
    path = tmp_path / "head.nii.gz"
    write_volume(_ball(radius), np.diag([2.0, 2, 2, 1]), path)
    with pytest.raises(
        UserError, match=r"head\.nii\.gz: \d+ ml of this atlas .* a brain has 900 to 2600 ml"
    ) as refused:
        load_atlas(str(path))
    assert float(str(refused.value).split()[1]) == pytest.approx(millilitres, rel=0.02)
