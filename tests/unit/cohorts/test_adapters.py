"""Every adapter on trees of the real names: all flavours, and what spoils an archive."""

import datetime
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.trees import TREES, scan, upenn_gbm
from mmdino.cohorts import adapters, build_manifest, load_adapter, recognise
from mmdino.cohorts.bids import preoperative
from mmdino.cohorts.common.people import person
from mmdino.cohorts.common.tree import walk
from mmdino.config import Cohort, Labels, Study, load_study
from mmdino.errors import UserError
from mmdino.phantom.layouts.writing import write_csv, write_xlsx
from mmdino.tables import SEQUENCES


def manifest(name, root, **rules):
    cohort = Cohort(stage="stripped", path="raw", adapter=name)
    return build_manifest(name, cohort, root, Labels(**rules))


def usable(found):
    return found[found["excluded"] == ""].set_index("subject")


@settings(max_examples=60)
@given(st.sampled_from(sorted(TREES)), st.integers(1, 11), st.integers(0, 5))
def test_every_layout_is_read_as_it_was_written(name, patients, flavour):
    with tempfile.TemporaryDirectory() as folder:
        truth = TREES[name](Path(folder), patients, flavour)
        whole = manifest(name, folder)
        found = usable(whole)
        assert found["label"].to_dict() == truth.labels
        assert set(whole["subject"]) - set(found.index) == truth.excluded
        assert {who: row["patient"] for who, row in found.iterrows() if row["patient"] != who} == {
            who: patient for who, patient in truth.patient.items() if patient != who
        }
        for who, row in found.iterrows():
            missing = [kind for kind in SEQUENCES if not row[kind]]
            assert missing == ([truth.missing[who]] if who in truth.missing else [])
            paths = [row[kind] for kind in (*SEQUENCES, "seg") if row[kind]]
            assert len(set(paths)) == len(paths)
            assert all(Path(path).is_file() for path in paths)
        assert (found["label_source"] != "").all(), "every label has its source, every other its reason"
        assert found["label_source"].str.startswith("unlabelled: ").eq(found["label"] == "").all()


@pytest.mark.parametrize("name", sorted(set(TREES) - {"bids"}))
def test_a_tree_is_recognised_as_its_own_cohort_and_refused_by_the_others(name, tmp_path):
    TREES[name](tmp_path, 6, 0)
    assert list(recognise(walk(tmp_path))) == [name]
    for other in sorted(set(TREES) - {name, "bids"}):
        with pytest.raises(UserError, match=f"holds no patient .*it looks like {name}"):
            manifest(other, tmp_path)


def test_every_archive_has_an_adapter():
    assert set(TREES) | {"folder", "mm-dinov2"} == set(adapters())  # these two have tests of their own


def test_the_better_file_of_a_kind_is_taken(tmp_path):
    TREES["upenn-gbm"](tmp_path / "u", 4, 0)
    segmentations = usable(manifest("upenn-gbm", tmp_path / "u"))["seg"]
    assert segmentations["UPENN-GBM-00001"].endswith("images_segm/UPENN-GBM-00001_11_segm.nii.gz")
    assert segmentations["UPENN-GBM-00002"].endswith("_automated_approx_segm.nii.gz")
    TREES["tcga"](tmp_path / "t", 2, 0)
    corrected = usable(manifest("tcga", tmp_path / "t"))["seg"].str.contains("ManuallyCorrected")
    assert corrected.tolist() == [False, True]
    TREES["ucsf-pdgm"](tmp_path / "f", 2, 0)
    assert not usable(manifest("ucsf-pdgm", tmp_path / "f"))[list(SEQUENCES)].stack().str.contains("_bias").any()


def test_a_label_says_where_it_comes_from_and_a_patient_without_one_why(tmp_path):
    TREES["ucsf-pdgm"](tmp_path, 8, 0)
    source = usable(manifest("ucsf-pdgm", tmp_path))["label_source"]
    assert source["UCSF-PDGM-0005"].startswith(
        "IDH mutant, 1p/19q intact (UCSF-PDGM-metadata_v5.csv, row 3: IDH=IDH1 p.R132H"
    )
    assert source["UCSF-PDGM-0011"].startswith("unlabelled: IDH wildtype with a 1p/19q co-deletion is impossible")
    assert "labels.wildtype_low_grade" in source["UCSF-PDGM-0007"]


def test_ambiguous_choices_are_settings(tmp_path):
    TREES["ucsf-pdgm"](tmp_path, 8, 0)
    strict = usable(manifest("ucsf-pdgm", tmp_path, wildtype_low_grade="unlabelled", relative_codeletion="intact"))[
        "label"
    ]
    assert (strict["UCSF-PDGM-0007"], strict["UCSF-PDGM-0008"]) == ("", "astrocytoma")
    TREES["upenn-gbm"](tmp_path / "u", 2, 0)
    loose = usable(manifest("upenn-gbm", tmp_path / "u", mutant_unknown_1p19q="astrocytoma"))["label"]
    assert loose["UPENN-GBM-00002"] == "astrocytoma"
    hidden = manifest("ucsf-pdgm", tmp_path, hidden=["ucsf-pdgm"])
    assert not hidden["label"].any()
    assert "labels.hidden" in hidden["label_source"][0]


@pytest.mark.parametrize(
    ("name", "flavour", "who", "age", "sex"),
    [
        ("ucsf-pdgm", 0, "UCSF-PDGM-0004", 50, "female"),
        ("upenn-gbm", 1, "UPENN-GBM-00001", 60, "male"),
        ("egd", 1, "EGD-0001", 50, "female"),
        ("lumiere", 0, "Patient-001", 55, "male"),
        ("rembrandt", 0, "HF1701", None, ""),
    ],
)
def test_age_and_sex_are_carried_where_a_cohort_tells_them(tmp_path, name, flavour, who, age, sex):
    TREES[name](tmp_path, 2, flavour)
    found = usable(manifest(name, tmp_path)).loc[who]
    assert (None if np.isnan(found["age"]) else found["age"], found["sex"]) == (age, sex)
    assert "Sex" not in found["label_source"], "a label does not come from it"


@pytest.mark.parametrize(
    ("age", "sex", "found"),
    [
        ("61.5", "F", ("61.5", "female")),
        ("060Y", "Male", ("60", "male")),
        ("7,5", "m", ("7.5", "male")),
        ("-1", "-1", ("", "")),
        ("89+", "0", ("", "")),
        ("Not Available", "other", ("", "")),
        ("", "", ("", "")),
    ],
)
def test_an_age_or_sex_that_is_none_is_not_known(age, sex, found):
    assert tuple(person({"age": age, "sex": sex}).values()) == found
    assert person({}) == {"age": "", "sex": ""}


def test_old_and_new_numbers_of_ucsf_are_one_patient(tmp_path):
    for name in ("UCSF-PDGM-0433", "UCSF-PDGM-0315"):
        scan(tmp_path / f"{name}_nifti" / f"{name}_T1.nii.gz")
    assert set(manifest("ucsf-pdgm", tmp_path)["patient"]) == {"UCSF-PDGM-0433"}


def test_renamed_columns_are_refused_with_the_columns_found(tmp_path):
    upenn_gbm(tmp_path, 2)
    write_csv(
        tmp_path / "UPENN-GBM_clinical_info_v3.csv", ["Scan", "IDH mutation"], [["UPENN-GBM-00001_11", "Wildtype"]]
    )
    with pytest.raises(
        UserError, match=r"_v3\.csv: lacks the column 'ID', 'IDH1' or 'IDH'; found were: Scan, IDH mutation"
    ):
        manifest("upenn-gbm", tmp_path)


@pytest.mark.parametrize("separator", [";", "\t"])
def test_another_separator_and_encoding_are_read(tmp_path, separator):
    upenn_gbm(tmp_path, 2)
    table = tmp_path / "UPENN-GBM_clinical_info_v2.1.csv"
    table.write_bytes("\ufeff".encode() + table.read_bytes().replace(b",", separator.encode()))
    assert usable(manifest("upenn-gbm", tmp_path))["label"]["UPENN-GBM-00001"] == "glioblastoma"
    table.write_bytes(table.read_bytes().removeprefix("\ufeff".encode()) + "Müller".encode("latin-1"))
    assert usable(manifest("upenn-gbm", tmp_path))["label"]["UPENN-GBM-00001"] == "glioblastoma"


def test_bad_rows_are_named_and_the_rest_goes_on(tmp_path, caplog):
    upenn_gbm(tmp_path, 3)
    rows = [["UPENN-GBM-00001_11", "Wildtype"], ["UPENN-GBM-00002_11", "Wildtype"], ["UPENN-GBM-00002_11", "Mutated"]]
    rows += [
        ["2021-03-04 00:00:00", "Wildtype"],
        ["4-Mar", "Wildtype"],
        ["Smith", "Wildtype"],
        ["UPENN-GBM-00003_11", "Wildtype"],
    ]
    write_csv(tmp_path / "UPENN-GBM_clinical_info_v2.1.csv", ["ID", "IDH1"], rows)
    labels = usable(manifest("upenn-gbm", tmp_path))["label"]
    assert labels.to_list() == ["glioblastoma", "", "glioblastoma"]
    assert "row 4: 'UPENN-GBM-00002_11' disagrees with UPENN-GBM_clinical_info_v2.1.csv, row 3" in caplog.text
    assert "row 5: '2021-03-04 00:00:00' is a date that a spreadsheet made of an id" in caplog.text
    assert "row 6: '4-Mar' is a date" in caplog.text
    assert "row 7: 'Smith' is no id of this cohort" in caplog.text
    assert "has no row for 1 of 3 patients: UPENN-GBM-00002" in caplog.text


def test_dates_in_an_excel_file_are_seen_as_such(tmp_path, caplog):
    TREES["egd"](tmp_path, 2, 0)
    rows = [["EGD-0001", 0, -1, 4], [datetime.datetime(2021, 1, 2), 1, 1, 2]]
    write_xlsx(tmp_path / "Genetic_and_Histological_labels.xlsx", ["Subject", "IDH", "1p19q", "Grade"], rows)
    assert usable(manifest("egd", tmp_path))["label"].tolist() == ["glioblastoma", ""]
    assert "row 3: '2021-01-02 00:00:00' is a date" in caplog.text


def test_a_damaged_excel_file_is_refused(tmp_path):
    TREES["egd"](tmp_path, 1, 0)
    (tmp_path / "Genetic_and_Histological_labels.xlsx").write_bytes(b"PK\x03\x04 half of it")
    with pytest.raises(UserError, match="is not a readable"):
        manifest("egd", tmp_path)


def test_lumiere_needs_its_ratings(tmp_path):
    TREES["lumiere"](tmp_path, 2, 0)
    (tmp_path / "LUMIERE-ExpertRating-v202211.csv").unlink()
    with pytest.raises(UserError, match=r"ExpertRating.* is missing"):
        manifest("lumiere", tmp_path)


def test_without_a_table_everybody_is_unlabelled_and_told_so(tmp_path):
    TREES["tcga"](tmp_path, 3, 0)
    (tmp_path / "mmc2.xlsx").unlink()
    found = manifest("tcga", tmp_path)
    assert not found["label"].any()
    assert set(found["label_source"]) == {"unlabelled: no metadata table lies in the cohort's folder"}


def test_twins_are_excluded_and_odd_ids_told(tmp_path, caplog):
    TREES["rembrandt"](tmp_path, 3, 1)
    first = next(tmp_path.rglob("HF1700*_t1_LPS_rSRI.nii.gz"))
    scan(first.parent / "copy" / first.name)
    scan(tmp_path / "HF17OO_1999.01.01" / "HF17OO_1999.01.01_t1_LPS_rSRI.nii.gz")
    found = manifest("rembrandt", tmp_path).set_index("subject")
    assert "two files of one kind" in found.loc["HF1700", "excluded"]
    assert "'HF17OO_1999.01.01' looks like a patient of REMBRANDT" in caplog.text


def test_link_loops_and_unreadable_folders_are_told_and_passed_over(tmp_path, monkeypatch):
    TREES["rembrandt"](tmp_path / "data", 3, 1)
    (tmp_path / "data" / "loop").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "self").symlink_to("self")
    (tmp_path / "data" / "gone").symlink_to("nowhere")
    locked = next((tmp_path / "data").glob("HF1701*"))
    real = os.scandir

    def scandir(path):
        if Path(path) == locked:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    tree = walk(tmp_path / "data")
    told = "\n".join(tree.problems)
    assert "loop: is a link to a folder that was read already" in told
    assert "self: is a link to nothing, or to itself" in told
    assert "gone: is a link to nothing" in told
    assert f"{locked}: cannot be read (Permission denied)" in told
    assert len(tree.files) == 2 * 5


def test_a_linked_archive_is_read(tmp_path):
    TREES["rembrandt"](tmp_path / "elsewhere", 2, 1)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rembrandt").symlink_to(tmp_path / "elsewhere")
    assert len(manifest("rembrandt", tmp_path / "data")) == 2


def test_two_cohorts_cannot_claim_one_folder():
    def study(**paths):
        cohorts = {name: {"stage": "stripped", "path": path, "adapter": "egd"} for name, path in paths.items()}
        return Study(name="x", title="X", cohorts=cohorts, experiments=["none"])

    with pytest.raises(ValueError, match="'a' and 'b' both claim the folder data/x"):
        study(a="data", b="data/x")
    assert study(a="data/x", b="data/xy")


def test_the_published_number_of_patients_is_walked_in_seconds(tmp_path):
    for number in range(1300):
        folder = tmp_path / f"BraTS2021_{number:05d}"
        folder.mkdir()
        for word in ("t1", "t1ce", "t2", "flair", "seg"):
            (folder / f"{folder.name}_{word}.nii.gz").touch()
    start = time.perf_counter()
    assert len(manifest("brats2021", tmp_path)) == 1300
    assert time.perf_counter() - start < 5


def test_layouts_know_their_own_ids():
    for name in set(TREES) - {"bids"}:
        layout = load_adapter(name).LAYOUT
        assert layout.join_key("nonsense") is None
    key = load_adapter("ucsf-pdgm").LAYOUT.join_key
    assert key("UCSF-PDGM-004") == key("ucsf-pdgm-0004") != key("UCSF-PDGM-0004_FU007d")


def test_the_papers_study_reads_every_archive(tmp_path):
    study = load_study(Path(__file__).parents[3] / "config" / "studies" / "paper.yaml").study
    assert {cohort.adapter for cohort in study.cohorts.values()} == set(TREES) - {"bids"}
    for name, cohort in study.cohorts.items():
        TREES[cohort.adapter](tmp_path / name, 8, 0)
        found = build_manifest(name, cohort, tmp_path / name, study.labels)
        assert cohort.stage == load_adapter(cohort.adapter).LAYOUT.stage
        assert found["label"].any() == (name in ("upenn-gbm", "ucsf-pdgm", "egd", "tcga"))


@pytest.mark.parametrize(
    ("stamps", "chosen"),
    [
        (["post", "pre"], "pre"),
        (["post", "preop", "pre"], "preop"),
        (["postop", "presurgery"], "presurgery"),
        (["followup", "baseline"], None),
        (["postop"], None),
        (["fu1", "fu2"], None),
        (["prert"], None),
        (["baseline"], "baseline"),
        ([""], ""),
        (["", "post"], None),
        (["10", "2"], "2"),
        (["02", "01"], "01"),
        (["week012", "week003"], "week003"),
        (["week012", "month003"], None),
        (["20190304", "20181224"], "20181224"),
        (["04032019", "24122018"], None),
        (["190304", "181224"], None),
        (["1", "20190304"], None),
        (["pre2", "pre1", "post1"], "pre1"),
        (["prea", "preb"], None),
        (["1", "01"], None),
    ],
)
def test_the_pre_operative_session_of_a_bids_subject_is_known_by_its_name(stamps, chosen):
    assert preoperative(stamps) == chosen


def test_a_bids_subject_whose_pre_operative_session_is_not_known_is_excluded(tmp_path):
    for stamp in ("scanA", "scanB"):
        scan(tmp_path / "sub-1" / f"ses-{stamp}" / "anat" / f"sub-1_ses-{stamp}_T1w.nii.gz")
    for stamp in ("post", "pre"):
        scan(tmp_path / "sub-2" / f"ses-{stamp}" / "anat" / f"sub-2_ses-{stamp}_T1w.nii.gz")
    found = manifest("bids", tmp_path)
    assert (
        found["excluded"][found["subject"] == "1"].tolist()
        == ["none of the sessions is known to be pre-operative (ses-scana, ses-scanb); call it ses-preop"] * 2
    )
    kept = found[(found["subject"] == "2") & (found["excluded"] == "")]
    assert kept["t1"].str.contains("ses-pre/").tolist() == [True]


@pytest.mark.parametrize(
    ("name", "stem", "words"),
    [
        ("bids", "sub-P1/anat/SUB-P1_", ("T1W", "CE-GD_T1W", "T2W", "flair", "DSEG")),
        ("folder", "p1/P1_", ("T1", "T1CE", "T2", "FLAIR", "SEG")),
        ("mm-dinov2", "p1/PREOP/SUB-P1_ses-preop_space-SRI_", ("T1", "T1C", "T2", "Flair", "seg")),
    ],
)
def test_case_does_not_count_in_the_names_of_scans(tmp_path, name, stem, words):
    for word in words:
        path = tmp_path / f"{stem}{word}.NII.GZ"
        scan(path.with_suffix(".gz"))
        path.with_suffix(".gz").rename(path)
    found = manifest(name, tmp_path)
    assert len(found) == 1
    assert not found["excluded"].any()
    assert (found[[*SEQUENCES, "seg"]] != "").all(axis=None)


BRATS_CASE = "BraTS20_Training_001"


def test_every_part_of_a_crosswalk_is_read(tmp_path):
    for name in (BRATS_CASE, "BraTS20_Validation_001"):
        scan(tmp_path / name / f"{name}_t1.nii")
    header = ["BraTS_2020_subject_ID", "TCGA_TCIA_subject_ID"]
    write_csv(tmp_path / "name_mapping.csv", header, [[BRATS_CASE, "TCGA-02-0006"]])
    write_csv(tmp_path / "name_mapping_validation_data.csv", header, [["BraTS20_Validation_001", "TCGA-DU-5849"]])
    found = manifest("brats2021", tmp_path).set_index("subject")["patient"]
    assert found.to_dict() == {BRATS_CASE: "TCGA-02-0006", "BraTS20_Validation_001": "TCGA-DU-5849"}


def test_a_crosswalk_may_be_saved_as_csv_and_its_absence_is_told(tmp_path, caplog):
    scan(tmp_path / "BraTS2021_00001_t1.nii.gz")
    assert manifest("brats2021", tmp_path)["patient"].tolist() == ["BraTS2021_00001"]
    assert "no crosswalk lies here, so nobody knows who of these are patients of TCGA" in caplog.text
    header = ["BraTS2021 ID", "PatientID on TCIA Radiology Portal", "Data Collection (as on TCIA+additional)"]
    write_csv(tmp_path / "BraTS2021_MappingToTCIA.csv", header, [["BraTS2021_00001", "TCGA-EZ-7265A", "TCGA-LGG"]])
    caplog.clear()
    crossed = manifest("brats2021", tmp_path)["patient"].tolist()
    assert "crosswalk" not in caplog.text
    scan(tmp_path / "own" / "TCGA-EZ-7265A_1996.08.23_t1.nii.gz")
    assert manifest("tcga", tmp_path / "own")["patient"].tolist() == crossed == ["TCGA-EZ-7265"]


def test_what_excel_and_macos_leave_beside_a_table_is_passed_over(tmp_path):
    TREES["tcga"](tmp_path, 2, 0)
    for start in ("~$", "._"):
        (tmp_path / f"{start}mmc2.xlsx").write_bytes(b"\0" * 165)
    assert usable(manifest("tcga", tmp_path))["label"].tolist() == ["glioblastoma", "oligodendroglioma"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_what_some_call_the_end_of_a_line_is_a_letter_in_a_table(tmp_path, encoding):
    upenn_gbm(tmp_path, 2)
    text = 'ID,Remark,IDH1\r\nUPENN-GBM-00001_11,"unsure … or\r\nnot\u2028 – so",Wildtype\r\nUPENN-GBM-00002_11,…,Wildtype\r\n'
    if encoding == "cp1252":
        text = text.replace("\u2028", "")
    (tmp_path / "UPENN-GBM_clinical_info_v2.1.csv").write_bytes(text.encode(encoding))
    assert usable(manifest("upenn-gbm", tmp_path))["label"].tolist() == ["glioblastoma"] * 2


def test_a_line_of_a_table_that_cannot_be_read_is_named(tmp_path):
    upenn_gbm(tmp_path, 2)
    table = tmp_path / "UPENN-GBM_clinical_info_v2.1.csv"
    table.write_text("ID,IDH1\nUPENN-GBM-00001_11," + "x" * 200_000 + "\n")
    with pytest.raises(UserError, match=r"info_v2\.1\.csv: is not a readable table \(line 2: field larger"):
        manifest("upenn-gbm", tmp_path)


def test_ratings_of_lumiere_are_joined_by_number_and_the_first_on_disk_counts(tmp_path):
    for week in ("week-000-2", "week-044"):
        scan(tmp_path / "Patient-007" / week / "T1.nii.gz")
    rows = [["patient-07", "week-000-1", "Pre-Op"], ["Patient-7", "Week-000-2", "Pre-Op"]]
    rows += [["Patient-007", "week-044", "PD"]]
    write_csv(tmp_path / "LUMIERE-ExpertRating-v202211.csv", ["Patient", "Date", "Rating"], rows)
    found = manifest("lumiere", tmp_path)
    assert found[found["excluded"] == ""]["t1"].str.contains("week-000-2").tolist() == [True]


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


def test_a_word_of_bids_that_is_no_class_is_named_and_the_patient_kept(tmp_path, caplog):
    for session in ("pre", "post"):
        for who in range(5):
            scan(tmp_path / f"sub-{who}" / f"ses-{session}" / "anat" / f"sub-{who}_ses-{session}_T1w.nii.gz")
    words = ["Glioblastoma", "glioblastom", "n/a", "unknown", "GBM"]
    rows = "".join(f"sub-{who}\t{word}\n" for who, word in enumerate(words))
    (tmp_path / "participants.tsv").write_text("participant_id\tlabel\n" + rows)
    found = usable(manifest("bids", tmp_path))
    assert found["label"].tolist() == ["glioblastoma", "", "", "", ""]
    assert [record.message for record in caplog.records] == [
        "participants.tsv, row 3: the label of '1' is 'glioblastom'; did you mean 'glioblastoma'?; mend it, or leave it "
        "empty; the patient is unlabelled",
        "participants.tsv, row 6: the label of '4' is 'GBM'; known are: astrocytoma, glioblastoma, oligodendroglioma; "
        "mend it, or leave it empty; the patient is unlabelled",
    ]


def test_a_bids_data_set_without_labels_says_so_of_everybody(tmp_path, caplog):
    TREES["bids"](tmp_path, 2, 0)
    (tmp_path / "participants.tsv").write_text("participant_id\tdiagnosis\nsub-p00\tglioblastoma\nsub-p01\tn/a\n")
    found = manifest("bids", tmp_path)
    assert not found["label"].any()
    assert set(found["label_source"]) == {
        "unlabelled: participants.tsv has no column 'label'; found were: participant_id, diagnosis"
    }
    assert not caplog.records


def test_a_number_of_the_authors_that_is_no_class_is_named_and_the_patient_kept(tmp_path, caplog):
    for who in ("a", "b", "c"):
        scan(tmp_path / who / "preop" / f"sub-{who}_ses-preop_space-sri_t1.nii.gz")
    (tmp_path / "phenoData.csv").write_text("Patient,WHO2021_Int\na,1.0\nb,5\nc,\n")
    assert manifest("mm-dinov2", tmp_path)["label"].tolist() == ["glioblastoma", "", ""]
    assert [record.message for record in caplog.records] == [
        "phenoData.csv, row 3: the label of 'b' is '5'; known are: 0, 1, 2; mend it, or leave it empty; the patient is "
        "unlabelled"
    ]


@pytest.mark.parametrize(
    ("name", "stem", "table", "header", "ids"),
    [
        ("bids", "sub-{0}/anat/sub-{0}_T1w", "participants.tsv", "participant_id\tlabel", "sub-{}\t"),
        ("mm-dinov2", "{0}/preop/sub-{0}_ses-preop_space-sri_t1", "phenoData.csv", "Patient,WHO2021_Int", "{},"),
    ],
)
def test_rows_and_patients_that_joined_nobody_are_told(tmp_path, caplog, name, stem, table, header, ids):
    for who in ("a", "b"):
        scan(tmp_path / f"{stem.format(who)}.nii.gz")
    (tmp_path / table).write_text(f"{header}\n{ids.format('a')}\n{ids.format('c')}\n")
    manifest(name, tmp_path)
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / table}: has no row for 1 of 2 patients: b",
        f"{tmp_path / table}: 1 rows are of nobody on disk: {table}, row 3",
    ]


def test_of_several_versions_of_a_table_the_others_are_named_with_their_folders(tmp_path, caplog):
    TREES["bids"](tmp_path, 2, 0)
    (tmp_path / "old-labels").mkdir()
    (tmp_path / "old-labels" / "participants.tsv").write_text("participant_id\n")
    manifest("bids", tmp_path)
    assert "participants.tsv: is read, and not" in caplog.text
    read, others = caplog.records[0].message.split(": is read, and not ")
    assert {read, f"{tmp_path}/{others}"} == {str(path) for path in tmp_path.rglob("participants.tsv")}
