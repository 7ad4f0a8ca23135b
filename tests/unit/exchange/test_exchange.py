"""Preprocessed patients written for other tools, and taken in again."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from factories import as_preprocessed, write_cohort
from mmdino.cohorts import build_manifest
from mmdino.config import Cohort
from mmdino.errors import UserError
from mmdino.exchange.export import LAYOUTS, export
from mmdino.exchange.taken_in import take_in
from mmdino.files import read_json
from mmdino.nifti import Volume, read_labels, write_volume
from mmdino.preprocess.atlas import Atlas
from mmdino.tables import CLASSES, SEQUENCES
from validated import bids_errors

ATLAS = Atlas("SRI24", Path("sri24.nii.gz"), Volume(np.zeros((2, 2, 2)), np.eye(4)))


@pytest.fixture
def cohort(tmp_path):
    """A cohort of four: one without a label, one without t2, one whose preprocessing failed."""
    root = write_cohort(tmp_path / "raw", 4, planes=2, side=16, prefix="UCSF-PDGM-")
    labels = (
        (root / "labels.tsv").read_text().replace(f"UCSF-PDGM-001\tsite-a\t{CLASSES[1]}", "UCSF-PDGM-001\tsite-b\t")
    )
    (root / "labels.tsv").write_text(labels)
    manifest = build_manifest("ucsf", Cohort(stage="stripped", path="raw"), root)
    manifest["patient"] = manifest["subject"] + "-person"
    manifest["age"], manifest["sex"] = [30.5, np.nan, 50, 60], ["male", "", "female", ""]
    preprocessed = as_preprocessed(manifest)
    preprocessed.loc[2, "t2"] = ""
    preprocessed.loc[3, "status"] = "failed"
    return manifest, preprocessed


@pytest.mark.parametrize("link", [False, True], ids=["copied", "linked"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_is_exported_is_taken_in_as_it_was(cohort, tmp_path, layout, link):
    manifest, preprocessed = cohort
    assert export(manifest, preprocessed, layout, ATLAS, tmp_path / "out", link) == 3
    found, named = take_in("ucsf", tmp_path / "out" / "ucsf")
    assert (named.adapter, named.stage) == (layout, "stripped")
    assert not found["excluded"].any()
    assert found["label"].tolist() == [CLASSES[0], "", CLASSES[2]]
    for (_, row), (_, source) in zip(found.iterrows(), preprocessed.iterrows()):
        for kind in (*SEQUENCES, "seg"):
            assert bool(row[kind]) == bool(source[kind])
            if row[kind]:
                read, written = nib.load(row[kind]), nib.load(source[kind])
                np.testing.assert_array_equal(read.get_fdata(), written.get_fdata())
                np.testing.assert_array_equal(read.affine, written.affine)
    if layout == "bids":
        assert found["site"].tolist() == ["site-a", "site-b", "site-a"]
        assert found["patient"].tolist() == manifest["patient"].tolist()[:3]
        assert found["age"].fillna(-1).tolist() == [30.5, -1, 50]
        assert found["sex"].tolist() == ["male", "", "female"]


def test_the_authors_layout_is_as_their_code_reads_it(cohort, tmp_path):
    export(*cohort, "mm-dinov2", ATLAS, tmp_path)
    patient = tmp_path / "ucsf" / "ucsf-pdgm-000" / "preop"
    assert sorted(path.name for path in patient.iterdir()) == sorted(
        f"sub-ucsf-pdgm-000_ses-preop_space-sri_{kind}.nii.gz" for kind in (*SEQUENCES, "seg")
    )
    table = pd.read_csv(tmp_path / "ucsf" / "phenoData.csv")
    assert table["Patient"].tolist() == ["ucsf-pdgm-000", "ucsf-pdgm-001", "ucsf-pdgm-002"]
    assert table["WHO2021_Int"].tolist()[::2] == [0, 2]
    assert np.isnan(table["WHO2021_Int"][1]), "unlabelled, as in the authors' tables"


def test_exported_bids_is_valid(cohort, tmp_path):
    export(*cohort, "bids", ATLAS, tmp_path)
    assert bids_errors(tmp_path / "ucsf") == []


@pytest.mark.parametrize("link", [False, True], ids=["copied", "linked"])
def test_every_label_of_exported_bids_is_named(cohort, tmp_path, link):
    manifest, preprocessed = cohort
    own = read_labels(preprocessed["seg"][0])
    older = np.where(own.array == 1, 4, own.array)
    write_volume(older, own.affine, preprocessed["seg"][0])
    for _ in range(2):  # over an export that was made before
        export(manifest, preprocessed, "bids", ATLAS, tmp_path, link)
    written = sorted(tmp_path.rglob("*_dseg.nii.gz"))
    named = pd.read_csv(next(tmp_path.rglob("*_dseg.tsv")), sep="\t")["index"]
    assert all(set(np.unique(nib.load(path).get_fdata())) <= set(named) for path in written)
    np.testing.assert_array_equal(nib.load(written[0]).get_fdata(), np.where(older == 4, 3, older))
    np.testing.assert_array_equal(read_labels(preprocessed["seg"][0]).array, older, "the source stays as it is")
    assert [path.is_symlink() for path in written] == [False, link, link]


@pytest.mark.parametrize(("sources", "said"), [(["given", "nnunet:m"], {}), (["nnunet:m"] * 2, {"Manual": False})])
def test_segmentations_are_called_automatic_where_all_are(cohort, tmp_path, sources, said):
    manifest, preprocessed = cohort
    preprocessed["seg_source"] = [*sources, "nnunet:m", "given"]  # the last one's preprocessing failed
    export(manifest, preprocessed, "bids", ATLAS, tmp_path)
    told = read_json(next(tmp_path.rglob("*_dseg.json")))
    assert {key: value for key, value in told.items() if key == "Manual"} == said


def test_a_second_export_writes_nothing_again(cohort, tmp_path):
    export(*cohort, "mm-dinov2", ATLAS, tmp_path)
    scans = sorted(tmp_path.rglob("*.nii.gz"))
    before = [scan.stat().st_ino for scan in scans]
    export(*cohort, "mm-dinov2", ATLAS, tmp_path)
    assert [scan.stat().st_ino for scan in scans] == before


@pytest.mark.parametrize("link", [False, True], ids=["copied", "linked"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_with_patients_who_have_since_been_left_out_is_refused_and_kept(cohort, tmp_path, layout, link):
    manifest, preprocessed = cohort
    out = tmp_path / "out"
    export(manifest, preprocessed, layout, ATLAS, out, link)
    before = sorted(out.rglob("*"))
    without_a_patient, without_anybody, without_a_sequence = (preprocessed.copy() for _ in range(3))
    without_a_patient.loc[1, "status"] = "excluded"
    without_anybody["status"] = "excluded"
    without_a_sequence.loc[0, "flair"] = ""
    for table, scans in ((without_a_patient, 5), (without_anybody, 14), (without_a_sequence, 1)):
        with pytest.raises(UserError, match=rf"ucsf: holds {scans} scans that are not in this .*/sub-.* Delete"):
            export(manifest, table, layout, ATLAS, out, link)
    assert sorted(out.rglob("*")) == before
    assert export(manifest, without_a_patient, layout, ATLAS, tmp_path / "other", link) == 2


def test_names_that_would_fall_together_are_refused(cohort, tmp_path):
    manifest, preprocessed = cohort
    for table in (manifest, preprocessed):
        table.loc[1, "subject"] = "ucsf-pdgm-000"
    with pytest.raises(UserError, match="UCSF-PDGM-000 and ucsf-pdgm-000 would both be written as 'ucsf-pdgm-000'"):
        export(manifest, preprocessed, "mm-dinov2", ATLAS, tmp_path)


def test_an_unknown_layout_is_refused(cohort, tmp_path):
    with pytest.raises(UserError, match=r"no layout 'bid'; did you mean 'bids'"):
        export(*cohort, "bid", ATLAS, tmp_path)


def test_a_damaged_scan_leaves_its_patient_out_with_the_reason(cohort, tmp_path):
    export(*cohort, "mm-dinov2", ATLAS, tmp_path)
    scan = next((tmp_path / "ucsf" / "ucsf-pdgm-001").rglob("*_t1.nii.gz"))
    scan.write_bytes(scan.read_bytes()[:100])
    found, _ = take_in("ucsf", tmp_path / "ucsf")
    assert str(scan) in found["excluded"][1]
    assert found["excluded"].astype(bool).tolist() == [False, True, False]


def test_a_folder_in_neither_layout_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match="neither a BIDS data set nor in MM-DINOv2's layout"):
        take_in("x", tmp_path)
    with pytest.raises(UserError, match="--name: a cohort cannot be called 'Our Hospital'; use letters, digits"):
        take_in("Our Hospital", tmp_path)
