from pathlib import Path

import pytest

from factories import write_cohort
from mmdino.cohorts import adapters, build_manifest
from mmdino.config import Cohort
from mmdino.errors import UserError
from mmdino.tables import CLASSES, MANIFEST, read_table, write_table

COHORT = Cohort(stage="stripped", path="raw")


@pytest.fixture
def root(tmp_path):
    return write_cohort(tmp_path / "raw", 3, planes=1, side=16)


def _manifest(root, cohort=COHORT):
    return build_manifest("home", cohort, root).set_index("subject")


def test_manifest_lists_paths_sites_and_labels(root):
    manifest = build_manifest("home", COHORT, root)
    assert list(manifest.columns) == list(MANIFEST.columns)
    row = manifest.iloc[1]
    assert row["subject"] == row["patient"] == "p001"
    assert row["t1c"] == str(root / "p001" / "p001_t1c.nii.gz")
    assert row["seg"].endswith("p001_seg.nii.gz")
    assert (row["site"], row["label"], row["stage"], row["cohort"]) == ("site-a", CLASSES[1], "stripped", "home")
    assert row["label_source"] == f"labels.tsv, row 3: site=site-a, label={CLASSES[1]}"
    assert not manifest["excluded"].any()


def test_other_names_and_a_missing_sequence(root):
    (root / "p000" / "p000_t1c.nii.gz").rename(root / "p000" / "p000_t1ce.nii")
    (root / "p001" / "p001_t2.nii.gz").unlink()
    (root / "p001" / "p001_seg.nii.gz").unlink()
    manifest = _manifest(root)
    assert manifest.loc["p000", "t1c"].endswith("p000_t1ce.nii")
    assert manifest.loc["p001", ["t2", "seg", "excluded"]].tolist() == ["", "", ""]


def test_ids_with_odd_characters_are_kept_as_they_are(root, tmp_path):
    odd = ["Müller 7", 'a"b\tc', "-x;$(id)"]
    for number, name in enumerate(odd):
        for path in (root / f"p{number:03d}").iterdir():
            path.rename(path.with_name(path.name.replace(f"p{number:03d}", name)))
        (root / f"p{number:03d}").rename(root / name)
    (root / "labels.tsv").unlink()
    manifest = build_manifest("home", COHORT, root)
    write_table(MANIFEST, manifest, tmp_path / "manifest.tsv")
    back = read_table(MANIFEST, tmp_path / "manifest.tsv")
    assert back["subject"].tolist() == sorted(odd)
    assert all(Path(path).is_file() for path in back["t1c"])


def test_unlabelled_patients_are_kept(root):
    (root / "labels.tsv").write_text(f"subject\tsite\tlabel\np000\t\t\np001\tx\t{CLASSES[0]}\n")
    manifest = _manifest(root)
    assert manifest["label"].tolist() == ["", CLASSES[0], ""]
    assert manifest["site"].tolist() == ["home", "x", "home"]
    (root / "labels.tsv").unlink()
    assert _manifest(root, Cohort(stage="native", path="raw", site="s"))["site"].tolist() == ["s"] * 3


def test_a_table_without_sites_is_read(root):
    (root / "labels.tsv").write_text(f"subject\tlabel\np000\t{CLASSES[0]}\n")
    manifest = _manifest(root)
    assert (manifest.loc["p000", "label"], set(manifest["site"])) == (CLASSES[0], {"home"})
    assert manifest.loc["p000", "label_source"] == f"labels.tsv, row 2: label={CLASSES[0]}"


def test_age_and_sex_are_read_where_the_labels_tell_them(root):
    assert not _manifest(root)[["age", "sex"]].replace("", None).notna().any(axis=None)
    (root / "labels.tsv").write_text(f"subject\tsite\tlabel\tage\tsex\np000\t\t\t44\tF\np001\tx\t{CLASSES[0]}\t\t?\n")
    manifest = _manifest(root)
    assert manifest["age"].fillna(-1).tolist() == [44, -1, -1]
    assert manifest["sex"].tolist() == ["female", "", ""]


def test_what_cannot_be_used_is_excluded_with_a_reason(root):
    (root / "p000" / "p000_t1.nii").write_bytes(b"")
    (root / "stray").mkdir()
    with open(root / "labels.tsv", "a") as opened:
        opened.write(f"nobody\tsite-a\t{CLASSES[0]}\n")
    excluded = _manifest(root)["excluded"]
    assert "p000_t1.nii.gz and p000_t1.nii" in excluded["p000"]
    assert "stray_t1.nii.gz" in excluded["stray"]
    assert "no folder 'nobody'" in excluded["nobody"]
    assert excluded["p001"] == ""


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("labels.tsv", "Subject\tSITE\tLabel\tAge at MRI\r\np000\tKöln\tGlioblastoma\t44\r\n", "utf-8-sig"),
        ("labels.csv", "subject,site,label,age\np000,Köln,glioblastoma,44\n", "utf-8"),
        ("Labels.CSV", "Our patients\nsubject;site;label;age\np000;Köln;glioblastoma;44\n", "cp1252"),
        ("labels.tsv", "label\tage\tsite\tsubject\nglioblastoma\t44\tKöln\tp000\n", "utf-16"),
    ],
    ids=["headings in other case", "commas", "semicolons under a title, cp1252", "other order, UTF-16"],
)
def test_a_label_table_is_read_as_those_of_the_archives_are(root, name, text, encoding):
    (root / "labels.tsv").unlink()
    (root / name).write_bytes(text.encode(encoding))
    manifest = _manifest(root)
    assert manifest.loc["p000", ["site", "label", "age"]].tolist() == ["Köln", "glioblastoma", 44]
    assert manifest["label"].tolist()[1:] == ["", ""]
    assert manifest.loc["p001", "label_source"] == f"unlabelled: {name} does not list it"


def test_whoever_has_no_label_has_a_reason(root, caplog):
    (root / "labels.tsv").write_text("subject\tsite\tlabel\np000\ta\t\np001\ta\tglioblastoma\np001\tb\t\n")
    manifest = _manifest(root)
    assert manifest["label"].tolist() == ["", "", ""]
    assert manifest["label_source"].tolist() == [
        "unlabelled: labels.tsv gives no label (labels.tsv, row 2: site=a, label=blank)",
        "unlabelled: labels.tsv has rows of it that disagree",
        "unlabelled: labels.tsv does not list it",
    ]
    assert "labels.tsv, row 4: 'p001' disagrees with labels.tsv, row 3" in caplog.text
    (root / "labels.tsv").unlink()
    assert set(_manifest(root)["label_source"]) == {
        "unlabelled: neither labels.tsv nor labels.csv lies in the cohort's folder"
    }


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            "subject\tsite\tlabel\np000\ta\tglioblastom\n",
            r"the label of 'p000' is 'glioblastom'.*'glioblastoma'.*\(labels\.tsv, row 2\)",
        ),
        ("subject\tsite\np000\t\n", "lacks the column 'label'; found were: subject, site"),
        ("", "lacks the column 'subject', 'label'"),
    ],
)
def test_a_wrong_label_table_is_refused(root, table, said):
    (root / "labels.tsv").write_text(table)
    with pytest.raises(UserError, match=r"labels\.tsv: " + said):
        _manifest(root)


def test_a_label_table_that_may_not_be_read_is_refused(root, monkeypatch):
    def read(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", read)
    with pytest.raises(UserError, match=r"labels\.tsv: cannot be read; give yourself read permission"):
        _manifest(root)


def test_table_and_folder_are_joined_whatever_the_case(root, caplog):
    (root / "labels.tsv").write_text(f"subject\tsite\tlabel\nP000\tx\t{CLASSES[0]}\nP-99\tx\t\nP001\t\t\np001\ty\t\n")
    manifest = _manifest(root)
    assert list(manifest.index) == ["P-99", "p000", "p001", "p002"]
    assert manifest.loc["p000", ["site", "label", "excluded"]].tolist() == ["x", CLASSES[0], ""]
    assert "no folder 'P-99'" in manifest.loc["P-99", "excluded"]
    assert "row 5: 'p001' disagrees with labels.tsv, row 4" in caplog.text


def test_two_patients_with_one_id_are_refused(root):
    (root / "p001").rename(root / "P000")
    with pytest.raises(UserError, match=r"two patients have one id.*P000, p000"):
        _manifest(root)


def test_missing_and_empty_folders_and_unknown_adapters_are_refused(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        _manifest(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no patient of the cohort 'home'"):
        _manifest(tmp_path)
    with pytest.raises(UserError, match="did you mean 'folder'"):
        _manifest(tmp_path, Cohort(stage="native", path="raw", adapter="folders"))
    assert "folder" in adapters()
