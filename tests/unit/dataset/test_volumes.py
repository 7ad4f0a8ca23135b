from pathlib import Path

import numpy as np
import pytest

from factories import AFFINE, as_preprocessed, write_cohort
from mmdino.cli.runs import opened
from mmdino.cohorts import build_manifest
from mmdino.config import Bank, Cohort, Volumes, load_study
from mmdino.dataset.bank import SliceBank
from mmdino.dataset.build import build_bank
from mmdino.dataset.volumes import cut_volume
from mmdino.errors import UserError
from mmdino.files import read_json, write_json
from mmdino.nifti import read_volume, write_volume

ROOT = Path(__file__).parents[3]
SETTINGS = Volumes(size=32, spacing=1.0, planes=3, gap=4.0)


@pytest.fixture
def cohort(tmp_path):
    """Four patients of three planes, 4 mm apart, whose files a test may spoil."""
    root = write_cohort(tmp_path / "raw", 4)
    return as_preprocessed(build_manifest("home", Cohort(stage="stripped", path="raw"), root))


def _build(table, folder, settings=SETTINGS, planes=None):
    build_bank(table, settings, folder)
    return SliceBank.open([folder], planes)


def _head(planes=20):
    """Return noise (1, 40, 30, planes) with a tumour of one plane, and its labels."""
    labels = np.zeros((40, 30, planes), np.uint8)
    labels[10:15, 11:20, 7] = 2
    return np.random.default_rng(0).random((1, *labels.shape), np.float32), labels


def test_a_volume_is_the_voxels_round_the_tumour_in_their_order():
    images, labels = _head()
    volume, tumour, middle = cut_volume(images, labels, np.ones(3), Volumes(size=16, spacing=1, planes=5, gap=2))
    assert (volume.shape, tumour.shape, middle) == ((1, 5, 16, 16), (5, 16, 16), 7)
    wanted = np.moveaxis(images[0, 4:20, 7:23, 3:12:2], 2, 0)  # middle 12, 15 and 7, half a voxel at most off it
    low, high = np.percentile(wanted, (1, 99))
    np.testing.assert_allclose(volume[0], ((wanted - low) / (high - low)).clip(0, 1), atol=1e-6)
    assert tumour[2].sum() == tumour.sum() == 45


def test_the_same_millimetres_whatever_the_voxels():
    smooth = np.add.outer(np.add.outer(np.arange(40.0), np.arange(30.0)), np.arange(20.0))[None].astype(np.float32)
    _, labels = _head()
    settings = Volumes(size=16, spacing=1, planes=5, gap=2)
    fine = cut_volume(smooth, labels, np.ones(3), settings)[0]
    coarse = cut_volume(smooth[:, ::2], labels[::2], np.array([2.0, 1, 1]), settings)[0]
    np.testing.assert_allclose(coarse, fine, atol=0.06)  # the start is a whole voxel


def test_at_a_side_it_is_shifted_inwards_and_beyond_the_head_it_is_zero():
    images, labels = _head()
    inside = cut_volume(images + 1, labels, np.ones(3), Volumes(size=30, planes=15, gap=1))[0]
    assert (inside > 0).mean() > 0.98  # all but the lowest percent
    padded = cut_volume(images + 1, labels, np.ones(3), Volumes(size=32, planes=31, gap=1))[0]
    filled = padded[0].any(axis=(1, 2))
    assert filled.nonzero()[0].tolist() == list(range(8, 28))  # slice 7 of 20 is the middle one of 31 planes


@pytest.mark.parametrize("height", [1.0, 1.5, 3.0])
def test_the_middle_plane_is_the_slice_with_the_most_tumour_wherever_it_lies(height):
    images = np.random.default_rng(0).random((1, 24, 24, 155), np.float32)
    for most in range(155):
        labels = np.zeros((24, 24, 155), np.uint8)
        labels[9:14, 9:14, max(most - 3, 0) : most + 4] = 2
        labels[8:15, 7:16, most] = 2
        volume, tumour, middle = cut_volume(images, labels, np.array([1, 1, height]), Volumes(size=24))
        np.testing.assert_array_equal(tumour[24], labels[:, :, most] > 0)
        assert middle == most
        assert np.corrcoef(volume[0, 24].ravel(), images[0, :, :, most].ravel())[0, 1] > 0.99
        assert tumour[23:26].sum(axis=(1, 2)).argmax() == 1  # of what a method with `planes: 3` reads


def test_a_bank_gives_back_what_was_cut_and_fewer_planes_of_it(cohort, tmp_path):
    bank = _build(cohort, tmp_path / "bank")
    assert (bank.kind, bank.shape, len(bank.index)) == ("volumes", (3, 32, 32), 4)
    crops = bank.read([bank.evaluation_row("p001")])
    raw = read_volume(cohort.set_index("subject").loc["p001", "flair"]).array
    below, lowest, above = crops.tumour[0] > 0
    assert not below.any()  # of equal slices, as of this cylinder, the lowest is the middle
    assert (lowest == above).all()
    assert lowest.any()
    assert crops.images[0, 3].max() == 1.0
    assert np.ptp([plane.mean() for plane in np.moveaxis(raw, 2, 0)]) > 0
    middle = SliceBank.open([tmp_path / "bank"], planes=1).read([bank.evaluation_row("p001")])
    np.testing.assert_array_equal(middle.images, crops.images[:, :, 1:2])
    np.testing.assert_array_equal(middle.tumour, crops.tumour[:, 1:2])
    with pytest.raises(UserError, match="has 3 planes a patient, and 5 are asked for"):
        SliceBank.open([tmp_path / "bank"], planes=5)


def test_orientation_on_disk_does_not_matter(cohort, tmp_path):
    before = _build(cohort, tmp_path / "before")
    turned = np.array([[0, -1, 0, 63], [1, 0, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1.0]])
    for column in ("t1", "t1c", "t2", "flair", "seg"):
        for path in cohort[column]:
            write_volume(np.swapaxes(read_volume(path).array, 0, 1)[:, ::-1], turned, path)
    after = _build(cohort, tmp_path / "after")
    np.testing.assert_array_equal(before.read(range(4)).images, after.read(range(4)).images)


def test_one_bad_patient_is_a_row_and_a_missing_sequence_is_zero(cohort, tmp_path):
    cohort.loc[cohort["subject"] == "p002", "t1c"] = ""
    path = cohort.set_index("subject").loc["p000", "seg"]
    write_volume(np.zeros_like(read_volume(path).array), AFFINE, path)
    bank = _build(cohort, tmp_path / "bank")
    assert bank.subjects == ["p001", "p002", "p003"]
    assert "empty segmentation" in (tmp_path / "bank" / "failures.tsv").read_text()
    crops = bank.read([bank.evaluation_row("p002")])
    assert crops.present.tolist() == [[True, False, True, True]]
    assert not crops.images[0, 1].any()


def test_a_half_built_bank_is_refused_and_built_again(cohort, tmp_path):
    key = _build(cohort, tmp_path / "bank").key
    images = tmp_path / "bank" / "images.npy"
    images.write_bytes(images.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"images\.npy: cannot be read .* `mmdino volumes`"):
        SliceBank.open([tmp_path / "bank"])
    (tmp_path / "bank" / "meta.json").unlink()
    with pytest.raises(UserError, match="only half of one"):
        SliceBank.open([tmp_path / "bank"])
    assert _build(cohort, tmp_path / "bank").key == key


def test_slices_and_volumes_are_not_mixed(cohort, tmp_path):
    _build(cohort, tmp_path / "volumes")
    _build(cohort.assign(subject="q" + cohort["subject"]), tmp_path / "slices", Bank(axes=[2], crop=32))
    with pytest.raises(UserError, match="other settings"):
        SliceBank.open([tmp_path / "volumes", tmp_path / "slices"])
    with pytest.raises(ValueError, match=r"volumes\.planes is 4, and must be odd"):
        Volumes(planes=4)


def test_a_method_is_refused_the_other_kind_of_bank(cohort, tmp_path):
    _build(cohort, tmp_path / "volumes")
    _build(cohort, tmp_path / "slices", Bank(axes=[2], crop=32))
    loaded = load_study(ROOT / "config" / "studies" / "phantom.yaml")
    for experiment, right, wrong in (("radiomics", "slices", "volumes"), ("supervised-cnn-3d", "volumes", "slices")):
        said = rf"{tmp_path / wrong}: is a bank of {wrong}, and '{experiment}' reads {right}; .* `mmdino {right}` wrote"
        with pytest.raises(UserError, match=said):
            opened(loaded, experiment, 0, [tmp_path / wrong], tmp_path / "splits.tsv", tmp_path / "run")


def test_a_bank_from_before_the_middle_was_kept_is_refused_and_cut_anew(cohort, tmp_path):
    key = _build(cohort, tmp_path / "bank").key
    meta = read_json(tmp_path / "bank" / "meta.json")
    write_json(tmp_path / "bank" / "meta.json", meta | {"version": 1})
    with pytest.raises(UserError, match="is a volume bank of version 1, and this program reads version 2"):
        SliceBank.open([tmp_path / "bank"])
    images = np.load(tmp_path / "bank" / "images.npy")
    np.save(tmp_path / "bank" / "images.npy", images * 0)
    assert _build(cohort, tmp_path / "bank").key == key
    np.testing.assert_array_equal(np.load(tmp_path / "bank" / "images.npy"), images)
