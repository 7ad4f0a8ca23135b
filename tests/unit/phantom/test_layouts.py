"""Phantoms as the archives unpack are read by the archives' adapters: every patient, sequence and label, and no complaint."""

import itertools
import shutil
import tempfile
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cohorts.trees import scan
from mmdino.cohorts import build_manifest, load_adapter
from mmdino.cohorts.common.check import check_folders
from mmdino.cohorts.common.tree import walk
from mmdino.config import Cohort, Labels
from mmdino.config.phantom import MOST, MOST_ELSEWHERE, OF_THE_COHORT, UNSEGMENTED, PhantomCohort, PlacedAs
from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.phantom import cohort as phantoms
from mmdino.phantom import layouts
from mmdino.phantom.layouts import Case, load_layout
from mmdino.tables import CLASSES, SEQUENCES, TRUTH, read_table
from validated import bids_errors

LAYOUTS = get_args(PlacedAs)
ARCHIVES = [name for name in LAYOUTS if name not in OF_THE_COHORT]
TOLD = {  # classes that a layout's tables can tell
    **dict.fromkeys(LAYOUTS, CLASSES),
    **dict.fromkeys(("upenn-gbm", "lumiere"), ("glioblastoma",)),
    **dict.fromkeys(("brats2021", "rembrandt"), ()),
}
CHOICES = [
    Labels(wildtype_low_grade=low, mutant_unknown_1p19q=unknown, relative_codeletion=relative)
    for low, unknown, relative in itertools.product(
        ("glioblastoma", "unlabelled"),
        ("unlabelled", "astrocytoma"),
        ("diagnosis", "codeleted", "intact", "unlabelled"),
    )
]


def made(layout: str, patients: int, **options) -> tuple[PhantomCohort, str]:
    """Return the settings of a cohort, and a stage in which the layout has them."""
    return PhantomCohort(site="site-a", patients=patients, layout=layout, **options), (
        "native" if layout in UNSEGMENTED else "stripped"
    )


def laid_out(root: Path, name: str, labels: list[str]) -> list[Case]:
    """Write tiny scans and the tables of a cohort called ``made-up``."""
    layout = load_layout(name)
    cases = [Case(layout.subject("made-up", number), label, "site-a") for number, label in enumerate(labels, start=1)]
    for case in cases:
        for kind in kinds(name):
            scan(root / layout.place(case, kind))
    layout.write_tables(root, cases)
    return cases


def told(name: str, label: str, rules: Labels) -> str:
    """Return the label by the layout's table; of one that tells IDH alone, mutants' is a setting."""
    of_idh_alone = rules.mutant_unknown_1p19q.replace("unlabelled", "") if len(TOLD[name]) == 1 else ""
    return label if label in TOLD[name] else of_idh_alone


def kinds(name: str) -> tuple[str, ...]:
    return SEQUENCES if name in UNSEGMENTED else (*SEQUENCES, "seg")


def test_a_layout_is_a_file_that_the_configuration_knows_and_an_adapter_reads():
    files = {path.stem.replace("_", "-") for path in Path(layouts.__file__).parent.glob("*.py")}
    assert files - {"--init--", "writing"} == set(LAYOUTS)
    assert all(load_adapter(name) for name in LAYOUTS)


@settings(max_examples=60)
@given(st.sampled_from(LAYOUTS), st.lists(st.sampled_from(CLASSES), min_size=1, max_size=9), st.sampled_from(CHOICES))
def test_the_adapter_finds_what_was_laid_out(name, labels, rules):
    with tempfile.TemporaryDirectory() as folder:
        cases = laid_out(Path(folder), name, labels)
        settings_, stage = made(name, len(labels))
        cohort = Cohort(stage=stage, phantom=settings_)
        found = build_manifest("made-up", cohort, folder, rules).set_index("subject")
        assert found["label"].to_dict() == {case.subject: told(name, case.label, rules) for case in cases}
        assert not found["excluded"].any()
        assert set(found["site"]) == {"site-a"}
        assert (found["patient"] == found.index).all(), "nobody is taken for another"
        assert all(Path(row[kind]).is_file() for _, row in found.iterrows() for kind in kinds(name))
        tree = walk(Path(folder))
        assert [*tree.problems, *load_adapter(name).scan(tree, rules).problems] == []


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_check_knows_the_archive_and_has_nothing_to_complain_of(name, tmp_path):
    laid_out(tmp_path, name, [*CLASSES, *CLASSES])
    [said] = check_folders([tmp_path])
    assert f"adapter: {name}" in said
    assert "patients: 6" in said
    counts = ", ".join(f"{label} {2 if label in TOLD[name] else 0}" for label in CLASSES)
    assert f"labels: {counts}, none {6 - 2 * len(TOLD[name])}" in said
    assert not any(word in said for word in ("wrong:", "excluded:", "missing:"))


@pytest.mark.parametrize("name", ARCHIVES)
def test_ids_are_those_of_the_archive_to_the_last_patient(name):
    layout, reader = load_layout(name), load_adapter(name).LAYOUT
    most = MOST.get(name, MOST_ELSEWHERE)
    ids = [layout.subject("x", number) for number in (*range(1, 601), *range(most - 9, most + 1)) if number <= most]
    for identity in ids:
        hit = reader.match(layout.place(Case(identity, CLASSES[0], ""), "t1"))
        assert hit is not None
        assert (hit.subject, hit.kind) == (identity, "t1")
    assert len({reader.join_key(f"{identity}_11") for identity in ids}) == len(set(ids))


def test_numbers_that_ucsf_gave_to_other_patients_are_nobodys():
    ids = {load_layout("ucsf-pdgm").subject("x", number) for number in range(1, 500)}
    patients = {load_adapter("ucsf-pdgm").identity(identity) for identity in ids}
    assert patients == ids
    assert "UCSF-PDGM-0004" in ids
    assert "UCSF-PDGM-0315" not in ids


def files_of(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def written(folder: Path, name: str, patients: int = 2) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make a stripped cohort in a layout; return its manifest and its truth, both in the order of the patients."""
    settings_, stage = made(name, patients, planes=1)
    phantoms.write_cohort("made-up", settings_, stage, folder / "raw", folder / "truth")
    manifest = build_manifest("made-up", Cohort(stage=stage, phantom=settings_), folder / "raw").set_index("subject")
    truth = read_table(TRUTH, folder / "truth" / "made-up.parquet")
    return manifest.loc[truth["subject"]], truth


def test_the_plain_layout_is_what_it_was(tmp_path):
    _, truth = written(tmp_path, "folder")
    patients = [f"made-up-{number:04d}" for number in (1, 2)]
    scans = {f"{who}/{who}_{kind}.nii.gz" for who in patients for kind in (*SEQUENCES, "seg")}
    assert files_of(tmp_path / "raw") == {*scans, "labels.tsv"}
    rows = "".join(f"{who}\tsite-a\t{label}\n" for who, label in zip(patients, truth["label"]))
    assert (tmp_path / "raw" / "labels.tsv").read_text() == f"subject\tsite\tlabel\n{rows}"
    assert truth["subject"].tolist() == patients


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in ("folder", *UNSEGMENTED)])
def test_the_same_patients_lie_in_every_layout(name, tmp_path):
    plain, expected = written(tmp_path / "plain", "folder")
    found, truth = written(tmp_path / "archive", name)
    assert not (tmp_path / "archive" / "raw" / "labels.tsv").exists()
    for kind in (*SEQUENCES, "seg"):
        for ours, theirs in zip(found[kind], plain[kind], strict=True):
            assert Path(ours).read_bytes() == Path(theirs).read_bytes()
    pd.testing.assert_frame_equal(truth.drop(columns="subject"), expected.drop(columns="subject"))
    assert truth["subject"].tolist() == found.index.tolist(), "the report joins them by what the adapter calls them"


@pytest.mark.parametrize("name", LAYOUTS)
def test_faults_are_planted_in_every_layout(name, tmp_path, monkeypatch):
    def head(patient, files, truth):
        for path in files.values():
            scan(path)

    monkeypatch.setattr(phantoms, "_write_native", head)
    settings_, _ = made(name, 3, faults=True)
    phantoms.write_cohort("made-up", settings_, "native", tmp_path / "raw", tmp_path / "truth")
    found = build_manifest("made-up", Cohort(stage="native", phantom=settings_), tmp_path / "raw").set_index("subject")
    subject = load_layout(name).subject
    damaged, lacking, whole = (subject("made-up", number) for number in (1, 2, 3))
    assert [(who, kind) for who in found.index for kind in SEQUENCES if not found.loc[who, kind]] == [
        (lacking, "flair")
    ]
    [said] = check_folders([tmp_path / "raw"])
    assert f"{lacking}: lacks flair" in said
    assert f"{found.loc[damaged, 't2']}: is truncated or damaged" in said
    assert whole not in said


def test_patients_are_kept_until_other_ones_are_asked_for(tmp_path, monkeypatch):
    made_now = []

    def slab(patient, files, grid):
        made_now.append(patient.seed)
        for path in files.values():
            scan(path)

    def make(patients, **options):
        made_now.clear()
        settings_, stage = made("egd", patients, planes=1, **options)
        phantoms.write_cohort("made-up", settings_, stage, tmp_path / "raw", tmp_path / "truth")
        return len(made_now)

    monkeypatch.setattr(phantoms, "_write_stripped", slab)
    assert make(2) == 2
    assert make(3) == 1, "two are there already"
    assert make(3, seed=1) == 3, "these are other patients, whose labels would not be those of the scans"
    assert make(3, seed=1) == 0


def emptied(patient, files, *_):
    """Write tiny scans in a patient's places."""
    for path in files.values():
        scan(path)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that makes a cohort of tiny scans in the same folder, and returns its manifest."""
    monkeypatch.setattr(phantoms, "_write_stripped", emptied)
    monkeypatch.setattr(phantoms, "_write_native", emptied)

    def make(name, patients, stage, **options):
        settings_ = PhantomCohort(site="site-a", patients=patients, layout=name, **options)
        phantoms.write_cohort("made-up", settings_, stage, tmp_path / "raw", tmp_path / "truth")
        return build_manifest("made-up", Cohort(stage=stage, phantom=settings_), tmp_path / "raw")

    return make


@pytest.mark.parametrize("name", LAYOUTS)
def test_of_fewer_patients_no_other_ones_are_left(name, make, tmp_path):
    stage = made(name, 1)[1]
    assert len(make(name, 4, stage)) == 4
    note = tmp_path / "raw" / "notes.txt"
    note.write_text("somebody else's")
    assert len(make(name, 2, stage)) == 2
    assert len([path for path in files_of(tmp_path / "raw") if path.endswith(".nii.gz")]) == 2 * len(kinds(name))
    assert note.exists()
    assert len(make(name, 3, stage)) == 3


@pytest.mark.parametrize("name", [name for name in LAYOUTS if name not in UNSEGMENTED])
def test_of_whole_heads_no_segmentation_of_the_stripped_is_left(name, make):
    assert (make(name, 2, "stripped")["seg"] != "").all()
    assert (make(name, 2, "native")["seg"] == "").all()
    assert (make(name, 2, "stripped")["seg"] != "").all()


def test_patients_of_another_class_do_not_stay_where_the_archive_puts_that_class(make, tmp_path):
    first = set(make("tcga", 12, "stripped")["t1c"])
    second = make("tcga", 12, "stripped", seed=1)["t1c"]
    assert set(second) != first
    assert {str(tmp_path / "raw" / path) for path in files_of(tmp_path / "raw") if "t1Gd" in path} == set(second)


def test_a_cohort_from_before_the_number_was_kept_is_not_made_anew(make, tmp_path, monkeypatch):
    make("egd", 2, "stripped")
    record = tmp_path / "truth" / "made-up.json"
    write_json(record, {key: value for key, value in read_json(record).items() if key != "patients"})
    monkeypatch.setattr(phantoms, "_write_stripped", None)
    assert len(make("egd", 2, "stripped")) == 2


def test_patients_in_another_layout_are_not_left_beside_the_new_ones(tmp_path):
    written(tmp_path, "folder")
    with pytest.raises(UserError, match=r"raw: holds phantoms in the layout folder, not egd; delete that folder"):
        written(tmp_path, "egd")
    shutil.rmtree(tmp_path / "raw")
    assert len(written(tmp_path, "egd")[0]) == 2


def test_the_bids_layout_is_valid_bids(tmp_path):
    laid_out(tmp_path, "bids", list(CLASSES))
    assert bids_errors(tmp_path) == []
