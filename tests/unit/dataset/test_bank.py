import errno
import json
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from factories import AFFINE, as_preprocessed, write_cohort
from mmdino.cohorts import build_manifest
from mmdino.config import Bank, Cohort, Volumes
from mmdino.dataset import build
from mmdino.dataset.bank import SliceBank
from mmdino.dataset.build import build_bank
from mmdino.errors import UserError
from mmdino.nifti import read_labels, read_volume, reorient, write_volume

SETTINGS = Bank(axes=[2], crop=48, min_tumour_voxels=50)


@pytest.fixture
def cohort(tmp_path):
    """Four patients' preprocessed table, whose files a test may spoil."""
    root = write_cohort(tmp_path / "raw", 4)
    return as_preprocessed(build_manifest("home", Cohort(stage="stripped", path="raw"), root))


def _build(table, folder, settings=SETTINGS):
    build_bank(table, settings, folder)
    return SliceBank.open([folder])


def test_rows_are_the_crops_of_the_volumes(cohort, tmp_path):
    bank = _build(cohort, tmp_path / "bank")
    assert bank.subjects == sorted(cohort["subject"])
    row = bank.index.iloc[bank.evaluation_row("p001")]
    volume = read_volume(cohort.set_index("subject").loc["p001", "flair"]).array[:, :, row["slice"]].astype(float)
    tumour = read_labels(cohort.set_index("subject").loc["p001", "seg"]).array[:, :, row["slice"]] > 0
    crops = bank.read([bank.evaluation_row("p001")])
    assert crops.images.dtype == np.float32
    assert crops.images.shape == (1, 4, 48, 48)
    assert crops.tumour.sum() == tumour.sum() == row["tumour_voxels"]
    inside = crops.images[0, 3][crops.tumour[0] > 0]
    assert np.corrcoef(inside, volume[tumour])[0, 1] > 0.98  # the same pixels in the same order, scaled and clipped
    assert crops.present.all()


def test_a_thin_slab_works_along_every_axis(cohort, tmp_path):
    bank = _build(cohort, tmp_path / "bank", Bank(axes=[0, 1, 2], crop=48, min_tumour_voxels=20))
    assert set(bank.index["axis"]) == {0, 1, 2}
    rows = bank.training_rows("p000", axis=0)
    crops = bank.read(rows)
    assert (crops.images.any(axis=(1, 2)).sum(axis=-1) <= 3).all()  # three planes, the rest is padding
    assert bank.index.iloc[bank.evaluation_row("p000")]["axis"] == 2


def test_draw_chooses_axes_evenly_though_they_have_unequal_numbers_of_slices(cohort, tmp_path):
    bank = _build(cohort, tmp_path / "bank", Bank(axes=[0, 2], crop=48, min_tumour_voxels=20))
    generator = np.random.default_rng(0)
    axes = bank.index["axis"].to_numpy()[[bank.draw("p000", generator) for _ in range(400)]]
    assert len(bank.training_rows("p000", 0)) > 2 * len(bank.training_rows("p000", 2))
    assert np.mean(axes == 0) == pytest.approx(0.5, abs=0.08)


def test_orientation_on_disk_does_not_matter(cohort, tmp_path):
    before = _build(cohort, tmp_path / "before")
    mirrored = AFFINE.copy()
    mirrored[0] = [-1, 0, 0, 63]  # indices run from right to left
    for column in ("t1", "t1c", "t2", "flair", "seg"):
        for path in cohort[column]:
            write_volume(read_volume(path).array[::-1], mirrored, path)
    after = _build(cohort, tmp_path / "after")
    rows = range(len(before.index))
    np.testing.assert_array_equal(before.read(rows).images, after.read(rows).images)
    assert before.key == after.key


@pytest.mark.parametrize("settings", [SETTINGS, Volumes(size=32, planes=3)], ids=["slices", "volumes"])
def test_a_patient_whose_files_have_their_axes_in_several_orders_gives_the_same_crops(cohort, tmp_path, settings):
    before = _build(cohort, tmp_path / "before", settings)
    for column, codes in {"seg": "LPS", "t2": "PSR", "t1": "SLA"}.items():
        for path in cohort[column]:
            turned = reorient(read_volume(path), nib.orientations.axcodes2ornt(codes))
            write_volume(turned.array, turned.affine, path)
    after = _build(cohort, tmp_path / "after", settings)
    assert len(after.subjects) == 4
    assert before.key == after.key


def test_one_bad_patient_is_a_row_with_a_reason(cohort, tmp_path):
    paths = cohort.set_index("subject")
    for broken in (Path(paths.loc["p000", "t2"]), Path(paths.loc["p001", "seg"])):
        content = broken.read_bytes()
        broken.write_bytes(content[: len(content) // 2])
    cohort.loc[cohort["subject"] == "p002", "seg"] = ""
    bank = _build(cohort, tmp_path / "bank")
    assert bank.subjects == ["p003"]
    failures = pd.read_csv(tmp_path / "bank" / "failures.tsv", sep="\t").set_index("subject")["reason"]
    assert list(failures.index) == ["p000", "p001", "p002"]
    assert "p000_t2.nii.gz" in failures["p000"]
    assert "truncated" in failures["p001"]
    assert "no tumour segmentation" in failures["p002"]


def test_a_missing_sequence_is_zero_and_marked(cohort, tmp_path):
    cohort.loc[cohort["subject"] == "p002", "t1c"] = ""
    bank = _build(cohort, tmp_path / "bank")
    crops = bank.read([bank.evaluation_row("p002"), bank.evaluation_row("p003")])
    assert crops.present.tolist() == [[True, False, True, True], [True] * 4]
    assert not crops.images[0, 1].any()
    assert crops.images[0, [0, 2, 3]].any(axis=(1, 2)).all()


def test_failed_patients_and_an_empty_bank(cohort, tmp_path):
    cohort["status"] = "failed"
    bank = _build(cohort, tmp_path / "bank")
    assert bank.subjects == []
    assert len(bank.index) == 0


def test_the_same_input_gives_the_same_key_and_a_changed_voxel_another(cohort, tmp_path):
    first, second = (_build(cohort, tmp_path / name).key for name in ("a", "b"))
    assert first == second
    path = cohort["t1"].iloc[0]
    array = read_volume(path).array.copy()
    array[30:34, 30:34] += 50
    write_volume(array, AFFINE, path)
    assert _build(cohort, tmp_path / "c").key != first


@pytest.fixture
def cut(monkeypatch):
    """Those whose scans are read."""
    seen, really = [], build.patient_slices
    monkeypatch.setattr(
        build,
        "patient_slices",
        lambda patient, settings: (seen.append(patient["subject"]), really(patient, settings))[1],
    )
    return seen


def test_only_new_and_changed_patients_are_cut_again(cohort, tmp_path, cut):
    _build(cohort[:3], tmp_path / "bank")
    assert cut == ["p000", "p001", "p002"]
    changed = cohort["t2"].iloc[1]
    write_volume(read_volume(changed).array[::-1] * 2, AFFINE, changed)
    now = cohort[1:]  # one has left, one is new
    _build(now, tmp_path / "bank")
    assert cut[3:] == ["p001", "p003"]
    _build(now, tmp_path / "fresh")
    for path in (tmp_path / "fresh").iterdir():
        assert (tmp_path / "bank" / path.name).read_bytes() == path.read_bytes(), path.name


def _shorten(folder):
    (folder / "images.npy").write_bytes((folder / "images.npy").read_bytes()[:-1000])


def _of_another_version(folder):
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"version": 0}))


def _without_stamps(folder):
    (folder / "sources.json").unlink()


@pytest.mark.parametrize("spoil", [_shorten, _of_another_version, _without_stamps])
def test_a_bank_that_cannot_be_used_is_built_anew(cohort, tmp_path, cut, spoil):
    key = _build(cohort, tmp_path / "bank").key
    spoil(tmp_path / "bank")
    assert _build(cohort, tmp_path / "bank").key == key
    assert cut == sorted(cohort["subject"]) * 2


def test_several_banks_read_as_one(tmp_path):
    banks = []
    for prefix in ("x", "y"):
        root = write_cohort(tmp_path / prefix, 3, prefix=prefix)
        table = as_preprocessed(build_manifest(prefix, Cohort(stage="stripped", path=prefix), root))
        build_bank(table, SETTINGS, tmp_path / f"bank-{prefix}")
        banks.append(tmp_path / f"bank-{prefix}")
    both, second = SliceBank.open(banks), SliceBank.open(banks[1:])
    mixed = [both.evaluation_row("y001"), both.evaluation_row("x000"), both.evaluation_row("y001")]
    crops = both.read(mixed)
    np.testing.assert_array_equal(crops.images[0], second.read([second.evaluation_row("y001")]).images[0])
    np.testing.assert_array_equal(crops.images[0], crops.images[2])
    assert (crops.images[0] != crops.images[1]).any()
    with pytest.raises(UserError, match="'x000' also lies in"):
        SliceBank.open([banks[0], banks[0]])


def test_what_is_refused(cohort, tmp_path):
    with pytest.raises(UserError, match=r"add 2"):
        build_bank(cohort, Bank(axes=[0]), tmp_path / "bank")
    with pytest.raises(UserError, match="only half of one"):
        SliceBank.open([tmp_path])
    _build(cohort, tmp_path / "bank")
    _build(cohort.assign(subject="q" + cohort["subject"]), tmp_path / "other", Bank(axes=[2], crop=32))
    with pytest.raises(UserError, match="other settings"):
        SliceBank.open([tmp_path / "bank", tmp_path / "other"])
    meta = json.loads((tmp_path / "bank" / "meta.json").read_text())
    (tmp_path / "bank" / "meta.json").write_text(json.dumps(meta | {"version": 99}))
    with pytest.raises(UserError, match="version 99"):
        SliceBank.open([tmp_path / "bank"])
    images = tmp_path / "other" / "images.npy"
    images.write_bytes(images.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"images\.npy: cannot be read"):
        SliceBank.open([tmp_path / "other"])


def test_where_the_filesystem_knows_no_memory_maps_the_bank_is_read_and_says_so(cohort, tmp_path, monkeypatch, capsys):
    mapped = _build(cohort, tmp_path / "bank").read([0, 1])

    def refuse(*_, **__):
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr("mmap.mmap", refuse)
    read = SliceBank.open([tmp_path / "bank"]).read([0, 1])
    np.testing.assert_array_equal(read.images, mapped.images)
    assert "images.npy: cannot be mapped on this filesystem (No such device)" in capsys.readouterr().err


def test_an_interrupted_build_leaves_nothing_and_the_old_bank_stays(cohort, tmp_path, monkeypatch):
    key = _build(cohort, tmp_path / "bank").key
    monkeypatch.setattr("mmdino.dataset.build.patient_slices", _interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_bank(cohort, SETTINGS.model_copy(update={"crop": 64}), tmp_path / "bank")
    assert SliceBank.open([tmp_path / "bank"]).key == key
    assert sorted(found.name for found in tmp_path.iterdir()) == ["bank", "raw"]


def _interrupt(*_, **__):
    raise KeyboardInterrupt


def test_a_slab_patient_costs_little(cohort, tmp_path):
    started = time.process_time()
    _build(cohort, tmp_path / "bank")
    assert (time.process_time() - started) / len(cohort) < 0.5  # measured: docs/benchmarks.md; this guards the order
