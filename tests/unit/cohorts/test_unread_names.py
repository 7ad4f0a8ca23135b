"""Scans of which no name is read: whose they are is told."""

import pytest

from cohorts.manifests import manifest
from cohorts.trees import TREES, scan
from mmdino.errors import UserError


def test_twins_are_excluded_and_odd_ids_told(tmp_path, caplog):
    TREES["rembrandt"](tmp_path, 3, 1)
    first = next(tmp_path.rglob("HF1700*_t1_LPS_rSRI.nii.gz"))
    scan(first.parent / "copy" / first.name)
    scan(tmp_path / "HF17OO_1999.01.01" / "HF17OO_1999.01.01_t1_LPS_rSRI.nii.gz")
    found = manifest("rembrandt", tmp_path).set_index("subject")
    assert "two files of one kind" in found.loc["HF1700", "excluded"]
    assert "'HF17OO_1999.01.01' looks like a patient of REMBRANDT" in caplog.text


@pytest.mark.parametrize(
    ("name", "files", "said"),
    [
        (
            "tcga",
            [f"TCGA-02-0010/TCGA-02-0010_{kind}.nii.gz" for kind in ("t1", "t1Gd")],
            "TCGA-02-0010 has scans, but none is called as TCGA-02-0010_<session>_t1.nii.gz is",
        ),
        ("egd", ["EGD-0040_T1.nii.gz", "EGD-0040_T2.nii.gz"], "none is called as EGD-0040/T1.nii.gz is"),
        ("brats2021", ["BraTS2021_00090_FLAIR_x.nii"], "none is called as BraTS2021_00090_t1.nii.gz is"),
        (
            "bids",
            [f"sub-TCGA-02-0006/anat/sub-TCGA-02-0006_{suffix}.nii.gz" for suffix in ("T1w", "T2w")],
            "'sub-TCGA-02-0006' is no id of BIDS, which has letters and digits only; rename it",
        ),
        ("bids", ["sub-A_03_ses-1_T1w.nii.gz"], "'sub-A_03' is no id of BIDS"),
        ("bids", ["sub-77/anat/sub-77_t1.nii.gz"], "sub-77 has scans, but none is called as sub-77_T1w.nii.gz is"),
    ],
)
def test_who_has_scans_of_other_names_alone_is_told_once(tmp_path, caplog, name, files, said):
    TREES[name](tmp_path, 2, 0)
    for file in files:
        scan(tmp_path / file)
    manifest(name, tmp_path)
    told = [record.message for record in caplog.records if "crosswalk" not in record.message]
    assert len(told) == 1
    assert told[0].startswith(f"{tmp_path}: ")
    assert said in told[0]
    assert (files[0] in told[0]) == ("has scans" in told[0])


def test_who_has_rows_may_have_files_of_other_names(tmp_path, caplog):
    for name in ("sub-1/dwi/sub-1_dwi", "sub-1/anat/sub-1_acq-a-b_T1w", "sub-1_desc-brain_mask", "sub-1_T1w"):
        scan(tmp_path / f"{name}.nii.gz")
    manifest("bids", tmp_path)
    assert not caplog.records


def test_who_has_other_names_in_the_authors_layout_is_told(tmp_path, caplog):
    scan(tmp_path / "egd-1" / "preop" / "sub-egd-1_ses-preop_space-sri_t1.nii.gz")
    scan(tmp_path / "egd-1" / "preop" / "sub-egd-1_ses-preop_space-sri_pd.nii.gz")
    scan(tmp_path / "egd-2" / "preop" / "sub-egd-2_ses-preop_t1.nii.gz")
    manifest("mm-dinov2", tmp_path)
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}: egd-2 has scans, but none is called as sub-egd-2_ses-preop_space-sri_t1.nii.gz is, "
        "e.g. egd-2/preop/sub-egd-2_ses-preop_t1.nii.gz; rename them"
    ]


def test_where_nobody_can_be_read_the_names_are_told(tmp_path):
    scan(tmp_path / "sub-TCGA-02-0006" / "anat" / "sub-TCGA-02-0006_T1w.nii.gz")
    with pytest.raises(UserError, match=r"holds no patient .*\n.*'sub-TCGA-02-0006' is no id of BIDS"):
        manifest("bids", tmp_path)
