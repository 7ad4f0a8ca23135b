"""Every adapter on trees of the real names: all flavours, sessions, and what spoils an archive."""

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.manifests import manifest, usable
from cohorts.trees import TREES, scan
from mmdino.cohorts import adapters, build_manifest, load_adapter, recognise
from mmdino.cohorts.bids import preoperative
from mmdino.cohorts.common.tree import walk
from mmdino.config import Study, load_study
from mmdino.errors import UserError
from mmdino.tables import SEQUENCES


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
