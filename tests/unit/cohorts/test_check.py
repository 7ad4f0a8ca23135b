import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from cohorts.trees import TREES, scan
from factories import write_cohort
from mmdino.cohorts.common.check import check_folders


@pytest.mark.parametrize("flavour", [0, 1])
@pytest.mark.parametrize("name", sorted(TREES))
def test_every_tree_is_told_by_its_name_with_its_counts(name, flavour, tmp_path):
    truth = TREES[name](tmp_path, 6, flavour)
    told = check_folders([tmp_path])[0]
    assert f"adapter: {name}" in told
    assert f"patients: {len(truth.labels)}" in told
    labelled = sum(label == "glioblastoma" for label in truth.labels.values())
    assert f"glioblastoma {labelled}," in told
    assert ("sequences missing" in told) == bool(truth.missing)
    lost = f"patients without any usable session: {len(truth.excluded)}: {', '.join(sorted(truth.excluded))}"
    assert (lost in told) == bool(truth.excluded)
    assert "wrong:" not in told


def test_what_is_wrong_is_named_and_the_rest_goes_on(tmp_path):
    TREES["rembrandt"](tmp_path / "r", 3, 1)
    spoilt = sorted((tmp_path / "r").rglob("*_t2_*.nii.gz"))[0]
    spoilt.write_bytes(spoilt.read_bytes()[:-20])
    plain = sorted((tmp_path / "r").rglob("*.nii"))[0]
    plain.write_bytes(plain.read_bytes()[:-20])
    TREES["lumiere"](tmp_path / "l", 2, 0)
    (tmp_path / "l" / "LUMIERE-ExpertRating-v202211.csv").unlink()
    (tmp_path / "empty").mkdir()
    write_cohort(tmp_path / "plain", 2, planes=1, side=16)
    folders = ["r", "l", "empty", "nowhere", "plain", "r/HF1701_1991.08.05"]
    rembrandt, lumiere, empty, nowhere, folder, twice = check_folders([tmp_path / name for name in folders])
    assert f"{spoilt}: is truncated or damaged" in rembrandt
    assert f"{plain}: is truncated (" in rembrandt
    assert "published: 64" in rembrandt
    assert "cannot be used:" in lumiere
    assert "ExpertRating" in lumiere
    assert "holds no cohort that is known" in empty
    assert "no such folder" in nowhere
    assert "adapter: folder" in folder
    assert "one cohort alone may claim" in twice


@pytest.mark.parametrize(("name", "table"), [("folder", "labels.tsv"), ("bids", "participants.tsv")])
def test_a_bad_table_beside_no_published_archive_leaves_the_other_folders_alone(name, table, tmp_path):
    if name == "folder":
        write_cohort(tmp_path / "bad", 1, planes=1, side=16)
    else:
        TREES[name](tmp_path / "bad", 1, 0)
    (tmp_path / "bad" / table).write_text("who\twhat\np000\t1\n")
    TREES["egd"](tmp_path / "good", 2, 0)
    bad, good = check_folders([tmp_path / "bad", tmp_path / "good"])
    assert f"adapter: {name}" in bad
    assert f"cannot be used: {tmp_path / 'bad' / table}: lacks the column" in bad
    assert "patients: 2 (published: 774)" in good


def test_what_a_study_would_refuse_cannot_be_used(tmp_path):
    root = write_cohort(tmp_path, 2, planes=1, side=16)
    (root / "p001").rename(root / "P000")
    assert f"cannot be used: {root}: two patients have one id" in check_folders([root])[0]


def test_two_archives_in_one_folder_are_both_told(tmp_path):
    TREES["tcga"](tmp_path, 2, 0)
    TREES["upenn-gbm"](tmp_path, 2, 0)
    assert [told.split("adapter: ")[1].split(",")[0] for told in check_folders([tmp_path])] == ["tcga", "upenn-gbm"]


def test_the_authors_layout_is_told_by_its_name_and_not_taken_for_bids(tmp_path):
    for number in range(3):
        for kind in ("t1", "t1c", "t2", "flair", "seg"):
            scan(tmp_path / f"egd-{number}" / "preop" / f"sub-egd-{number}_ses-preop_space-sri_{kind}.nii.gz")
    (tmp_path / "phenoData.csv").write_text("Patient,WHO2021_Int\negd-0,0\negd-1,1\negd-2,\n")
    told = check_folders([tmp_path])[0]
    assert told.startswith(f"{tmp_path}: the layout of MM-DINOv2's released code (adapter: mm-dinov2)")
    assert "of them with t1 3, t1c 3, t2 3, flair 3, seg 3" in told
    assert "labels: astrocytoma 1, glioblastoma 1, oligodendroglioma 0, none 1" in told


def test_the_verb(tmp_path):
    TREES["egd"](tmp_path, 3, 0)
    command = [sys.executable, "-m", "mmdino", "cohorts", "check", str(tmp_path)]
    answer = subprocess.run(command, text=True, capture_output=True, check=True)
    assert "patients: 3 (published: 774)" in answer.stdout


def test_what_an_ordinary_user_may_not_read_is_named_and_the_rest_goes_on():
    """Root may read everything, so root's test asks the verb as `nobody`, below /tmp, where that user may go."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        TREES["rembrandt"](root / "r", 3, 1)
        locked, scan = sorted((root / "r").iterdir())[0], sorted((root / "r").rglob("*_t2_*.nii.gz"))[-1]
        locked.chmod(0)
        scan.chmod(0)
        program = (
            "from pathlib import Path; from mmdino.cohorts.common.check import check_folders;"
            f"print(check_folders([Path({folder!r}) / 'r'])[0])"
        )
        as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        if as_nobody and not shutil.which("setpriv"):
            pytest.skip("setpriv (util-linux) is not installed, and root may read everything")
        command = [*as_nobody, sys.executable, "-c", program]
        told = subprocess.run(command, text=True, capture_output=True, check=True, cwd="/").stdout
        locked.chmod(0o755)
    assert f"{locked}: cannot be read (Permission denied)" in told
    assert f"{scan}: is truncated or damaged ([Errno 13] Permission denied" in told
    assert "patients: 2 (published: 64)" in told
