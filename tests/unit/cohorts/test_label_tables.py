"""Tables of labels, ages and sexes: as they are saved, what they say, and who joins nobody."""

import datetime

import numpy as np
import pytest

from cohorts.manifests import manifest, usable
from cohorts.trees import TREES, scan, upenn_gbm
from mmdino.cohorts.common.people import person
from mmdino.errors import UserError
from mmdino.phantom.layouts.writing import write_csv, write_xlsx


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
