"""Stripped cohorts, which only pass through: every bad input is a row, the others go on, and nothing is done twice."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from mmdino.config import Cohort, Preprocess
from mmdino.errors import UserError
from mmdino.nifti import Volume, read_labels, reorient, write_volume
from mmdino.preprocess import patient
from mmdino.preprocess.shard import run_shard
from mmdino.tables import MANIFEST, SEQUENCES
from validated import bids_errors

COHORT = Cohort(stage="stripped", path="raw")
AFFINE = np.diag([1.0, 1.0, 4.0, 1.0])


def make_patient(folder, subject, sequences=SEQUENCES, seg=True):
    """Write a slab and return its manifest row."""
    rng = np.random.default_rng(len(subject))
    row = dict.fromkeys(MANIFEST.columns, "") | {
        "subject": subject,
        "session": "preop",
        "cohort": "c",
        "stage": "stripped",
        "patient": subject,
    }
    for name in sequences:
        row[name] = str(folder / subject / f"{subject}_{name}.nii.gz")
        write_volume(rng.integers(0, 900, (20, 22, 5)).astype(np.int16), AFFINE, row[name])
    if seg:
        labels = np.zeros((20, 22, 5), np.uint8)
        labels[5:12, 6:14, 1:4] = 2
        row["seg"] = str(folder / subject / f"{subject}_seg.nii.gz")
        write_volume(labels, AFFINE, row["seg"])
    return row


def run(rows, tmp_path, **settings):
    settings = Preprocess(**({"segmenter": "none"} | settings))
    return run_shard("c", COHORT, settings, pd.DataFrame(rows), tmp_path / "derivatives")


def truncate(row):
    path = Path(row["t2"])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def no_nifti(row):
    Path(row["t2"]).write_text("not a scan")


def four_dimensions(row):
    rewrite(row, lambda array: np.stack([array, array], -1))


def nan(row):
    rewrite(row, lambda array: np.where(array > 800, np.nan, array).astype(np.float32))


def constant(row):
    rewrite(row, lambda array: np.full_like(array, 3))


def singular(row):
    image = nib.load(row["t2"])
    header = image.header.copy()
    header["qform_code"], header["sform_code"] = 0, 1
    header["srow_x"] = 0
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, header), row["t2"])


def forms_disagree(row):
    image = nib.load(row["t2"])
    other = image.affine.copy()
    other[0, 3] += 5
    image.set_qform(other, 1)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), None, image.header), row["t2"])


def other_space(row):
    affine = AFFINE.copy()
    affine[1, 3] = 12
    write_volume(np.asarray(nib.load(row["t2"]).dataobj), affine, row["t2"])


def other_shape(row):
    rewrite(row, lambda array: array[:-1])


def absent(row):
    Path(row["t2"]).unlink()


def nothing(row):
    row.update(dict.fromkeys(SEQUENCES, ""))


def empty_segmentation(row):
    rewrite(row, np.zeros_like, "seg")


def halves(row):
    rewrite(row, lambda array: array * np.float32(0.25), "seg")


def strange_labels(row):
    rewrite(row, lambda array: array * 4, "seg")


def no_segmentation(row):
    row["seg"] = ""


def excluded(row):
    row["excluded"] = "post-operative"


def rewrite(row, change, name="t2"):
    image = nib.load(row[name])
    array = change(np.asarray(image.dataobj))
    nib.save(nib.Nifti1Image(array, image.affine), row[name])


BAD = {
    truncate: "truncated",
    no_nifti: "not a readable NIfTI",
    four_dimensions: "4 dimensions",
    nan: "NaN",
    constant: "everywhere",
    singular: "singular affine",
    forms_disagree: "disagree by 5.0 mm",
    other_space: "mm away; resample it to that grid",
    other_shape: "not in the space of",
    absent: "no such file",
    nothing: "none of t1, t1c, t2 and flair",
    empty_segmentation: "empty segmentation",
    halves: "the label 0.5",
    strange_labels: "recode them",
    no_segmentation: "no tumour segmentation",
    excluded: "excluded: post-operative",
}


@pytest.mark.parametrize("stage", ["stripped", "atlas"])
def test_a_segmentation_with_its_axes_in_another_order_is_the_same(tmp_path, monkeypatch, stage):
    monkeypatch.setattr(patient, "extract_brain", lambda head, *_: np.ones(head.array.shape, bool))
    monkeypatch.setattr(patient, "_draw", lambda *_: None)
    rows = [make_patient(tmp_path, name) for name in ("p-1", "p-2")]
    for row in rows:
        row["stage"] = stage
        for name in (*SEQUENCES, "seg"):  # a brain's volume, so that it counts as one
            rewrite(row, lambda array: np.kron(array, np.ones((7, 7, 5), array.dtype)), name)
    turned = reorient(read_labels(rows[1]["seg"]), nib.orientations.axcodes2ornt("LPS"))
    write_volume(turned.array, turned.affine, rows[1]["seg"])
    measured = []
    monkeypatch.setattr(patient, "measure", lambda scans, brain, tumour, atlas: measured.append(tumour) or {})
    done = run(rows, tmp_path)
    assert done["status"].tolist() == ["done", "done"], done["reason"].tolist()
    np.testing.assert_array_equal(*measured)


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    """A cohort with one patient for each kind of bad input between two good ones, and what became of it."""
    folder = tmp_path_factory.mktemp("spoilt")
    rows = [make_patient(folder, "good-1")]
    for spoil in BAD:
        rows.append(make_patient(folder, spoil.__name__))
        spoil(rows[-1])
    rows.append(make_patient(folder, "good-2"))
    return folder, rows, run(rows, folder)


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_a_bad_patient_is_a_row_with_the_reason(spoilt, spoil):
    _, _, table = spoilt
    found = table.set_index("subject").loc[spoil.__name__]
    assert found.status == "failed"
    assert BAD[spoil] in found.reason
    assert not any(word in found.reason for word in ("\n", "Traceback", "unexpected"))
    assert not any(found[name] for name in (*SEQUENCES, "seg", "mask"))
    if spoil not in (nothing, no_segmentation, excluded):
        assert f"{spoil.__name__}_" in found.reason, "the file is named"
        assert "; " in found.reason, "what to do is said"


def test_the_others_go_on_with_their_own_files(spoilt):
    _, rows, table = spoilt
    assert list(table.subject) == [row["subject"] for row in rows]
    for row, found in zip(rows, table.itertuples()):
        if row["subject"].startswith("good"):
            assert (found.status, found.reason, found.seg_source) == ("done", "", "given")
            assert [getattr(found, name) for name in (*SEQUENCES, "seg")] == [row[name] for name in (*SEQUENCES, "seg")]
            assert found.brain_ml == pytest.approx(20 * 22 * 5 * 4 / 1000, rel=0.01)


def test_a_missing_sequence_stays_missing(tmp_path):
    table = run([make_patient(tmp_path, "a", ("t1", "t1c", "flair"))], tmp_path)
    assert (table.status[0], table.t2[0]) == ("done", "")


def count_calls(monkeypatch, stop_at=""):
    """Count the patients who are really worked on; raise Ctrl-C at one."""
    seen = []
    real = patient.stripped

    def counted(row, *rest):
        if row["subject"] == stop_at:
            raise KeyboardInterrupt
        seen.append(row["subject"])
        return real(row, *rest)

    monkeypatch.setattr(patient, "stripped", counted)
    return seen


def test_a_second_run_does_nothing_again(tmp_path, monkeypatch):
    rows = [make_patient(tmp_path, subject) for subject in ("a", "b")]
    first = run(rows, tmp_path)
    seen = count_calls(monkeypatch)
    pd.testing.assert_frame_equal(run(rows, tmp_path), first)
    assert seen == []


def test_a_changed_file_or_setting_makes_a_patient_again(tmp_path, monkeypatch):
    rows = [make_patient(tmp_path, subject) for subject in ("a", "b")]
    run(rows, tmp_path)
    seen = count_calls(monkeypatch)
    os.utime(rows[1]["t1"], ns=(1, 1))
    run(rows, tmp_path)
    assert seen == ["b"]
    run(rows, tmp_path, seed=3)
    assert seen == ["b", "a", "b"]


def test_ctrl_c_keeps_what_is_finished_and_the_next_start_goes_on(tmp_path, monkeypatch):
    rows = [make_patient(tmp_path, subject) for subject in ("a", "b", "c")]
    seen = count_calls(monkeypatch, stop_at="c")
    with pytest.raises(KeyboardInterrupt):
        run(rows, tmp_path)
    assert seen == ["a", "b"]
    monkeypatch.undo()
    seen = count_calls(monkeypatch)
    assert list(run(rows, tmp_path).status) == ["done"] * 3
    assert seen == ["c"]


def test_files_that_an_interrupted_change_of_settings_left_are_not_taken_for_those_of_before(tmp_path, monkeypatch):
    given, row = make_patient(tmp_path, "a"), make_patient(tmp_path, "b", seg=False)
    before = read_labels(given["seg"])
    after = Volume(before.array[::-1].copy(), before.affine)

    def run_with(labels, seed):
        monkeypatch.setattr(patient, "segment", lambda *_: labels)
        return run([row], tmp_path, segmenter="phantom", seed=seed)

    run_with(before, seed=0)
    with monkeypatch.context() as killed:
        killed.setattr(patient, "measure", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_with(after, seed=1)
    table = run_with(before, seed=0)
    assert table.status.tolist() == ["done"]
    np.testing.assert_array_equal(read_labels(table.seg[0]).array, before.array)


def interrupt(*_):
    raise KeyboardInterrupt


def test_a_failed_patient_is_tried_again(tmp_path):
    rows = [make_patient(tmp_path, "a"), make_patient(tmp_path, "b")]
    good = Path(rows[1]["t2"]).read_bytes()
    truncate(rows[1])
    assert list(run(rows, tmp_path).status) == ["done", "failed"]
    Path(rows[1]["t2"]).write_bytes(good)
    assert list(run(rows, tmp_path).status) == ["done", "done"]


def test_a_full_disk_stops_the_shard_instead_of_failing_everybody(tmp_path, monkeypatch):
    rows = [make_patient(tmp_path, "a")]

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("mmdino.files.os.fsync", full)
    with pytest.raises(UserError, match="no space is left"):
        run(rows, tmp_path)
    assert not list((tmp_path / "derivatives").rglob("*.json"))
    assert not list((tmp_path / "derivatives").rglob(".tmp-*"))


def test_a_segmentation_of_our_own_lies_in_a_valid_bids_data_set(tmp_path, monkeypatch):
    rows = [make_patient(tmp_path, "a"), make_patient(tmp_path, "b", seg=False)]
    labels = read_labels(rows[0]["seg"])
    monkeypatch.setattr(patient, "segment", lambda *_: labels)
    table = run(rows, tmp_path, segmenter="phantom")
    assert table.seg_source.tolist() == ["given", "nnunet:phantom"]
    assert table.seg[1].startswith(str(tmp_path / "derivatives"))
    assert bids_errors(tmp_path / "derivatives") == []


def test_people_are_not_segmented_by_the_phantoms_model_unasked(tmp_path, monkeypatch):
    monkeypatch.setattr(patient, "segment", lambda scans, model: read_labels(given["seg"]))
    given, without = make_patient(tmp_path, "a"), make_patient(tmp_path, "b", seg=False)
    rows = pd.DataFrame([given, without])
    table = run_shard("c", COHORT, Preprocess(), rows, tmp_path / "people")
    assert table.status.tolist() == ["done", "failed"]
    assert "the study names no model that makes one (`preprocess.segmenter`)" in table.reason[1]
    made_up = Cohort(stage="stripped", phantom={"site": "site-a", "patients": 2})
    table = run_shard("c", made_up, Preprocess(), rows, tmp_path / "phantoms")
    assert table.status.tolist() == ["done", "done"]


def test_two_ids_with_one_bids_name_are_told(tmp_path):
    table = run([make_patient(tmp_path, "P-1"), make_patient(tmp_path, "P1")], tmp_path)
    assert list(table.status) == ["failed", "failed"]
    assert all("P-1 and P1 have the same BIDS name" in reason for reason in table.reason)


@pytest.mark.parametrize("mine", [0, 1])
def test_two_ids_with_one_bids_name_are_told_in_whichever_shards_they_are(mine, tmp_path):
    rows = [make_patient(tmp_path, subject) for subject in ("1-12", "11-2", "3")]

    def shard(everybody):
        return run_shard("c", COHORT, Preprocess(), everybody.iloc[[mine, 2]], tmp_path / "derivatives", everybody)

    table = shard(pd.DataFrame(rows))
    assert list(table.status) == ["failed", "done"]
    assert "1-12 and 11-2 have the same BIDS name sub-112" in table.reason.iloc[0]
    rows[1 - mine]["excluded"] = "post-operative"  # of whom nothing is written
    assert list(shard(pd.DataFrame(rows)).status) == ["done", "done"]


def test_an_id_of_which_bids_can_make_no_name_is_told_and_the_rest_goes_on(tmp_path):
    table = run([make_patient(tmp_path, "患者"), make_patient(tmp_path, 'Müller "7"\t%')], tmp_path)
    assert list(table.status) == ["failed", "done"]
    assert "'患者' has neither a letter (a–z) nor a digit" in table.reason[0]


def test_a_stripped_cohort_is_quick_and_needs_neither_ants_nor_torch(tmp_path):
    rows = [make_patient(tmp_path, f"p{number}") for number in range(5)]
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.tsv", sep="\t", index=False)
    code = f"""
import sys, time
from pathlib import Path
from mmdino.config import Cohort, Preprocess
from mmdino.preprocess.shard import run_shard
from mmdino.tables import MANIFEST, read_table
table = run_shard("c", Cohort(stage="stripped", path="raw"), Preprocess(),
    read_table(MANIFEST, {str(tmp_path / "manifest.tsv")!r}), Path({str(tmp_path / "derivatives")!r}))
print(set(table.status), [name for name in ("ants", "torch", "matplotlib") if name in sys.modules], table.seconds.max())
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split("\n")[0]
    statuses, modules, seconds = (
        out.rsplit("} ", 1)[0] + "}",
        out.split("} ")[1].rsplit(" ", 1)[0],
        out.rsplit(" ", 1)[1],
    )
    assert (statuses, modules) == ("{'done'}", "[]")
    assert float(seconds) < 1  # some 20 ms; the first one imports
