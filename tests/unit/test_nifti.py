import gzip

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdino.nifti import (
    BadVolume,
    Volume,
    is_packed,
    on_one_grid,
    read_labels,
    read_volume,
    reorient,
    require_same_space,
    require_whole,
    same_space,
    write_volume,
)

AFFINE = np.array([[-1.0, 0, 0, 90], [0, 1, 0, -126], [0, 0, 4, -72], [0, 0, 0, 1]])
SCAN = np.random.default_rng(0).normal(100, 20, (9, 8, 5)).astype(np.float32)


def save(path, array=SCAN, affine=AFFINE, qform=None, codes=(1, 1)):
    image = nib.Nifti1Image(array, affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine if qform is None else qform, codes[1])
    nib.save(image, path)
    return path


def refused(path, *words, read=read_volume):
    with pytest.raises(BadVolume) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "; " in message, "says what to do"
    assert "\n" not in message
    for word in words:
        assert word in message


@settings(max_examples=25, deadline=None)
@given(
    dtype=st.sampled_from(["uint8", "int16", "uint16", "int32", "float32"]),
    turn=st.floats(-3, 3),
    size=st.floats(0.3, 6),
    suffix=st.sampled_from([".nii", ".nii.gz"]),
)
def test_what_is_written_is_read_back(tmp_path_factory, dtype, turn, size, suffix):
    path = tmp_path_factory.mktemp("volume") / f"scan{suffix}"
    array = (SCAN * 2).astype(dtype)
    affine = np.eye(4)
    affine[:2, :2] = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    affine[:3, 3] = -40, 20, 7
    write_volume(array, affine, path)
    volume = read_volume(path)
    assert volume.array.dtype == array.dtype
    np.testing.assert_array_equal(volume.array, array)
    np.testing.assert_allclose(volume.affine, affine, atol=1e-4)


def test_equal_input_gives_equal_bytes(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_volume(SCAN, AFFINE, tmp_path / name)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.nii.gz", "b.nii.gz"]


def test_wide_and_boolean_arrays_are_narrowed(tmp_path):
    for given_type, written in ((np.float64, np.float32), (np.int64, np.int32), (bool, np.uint8)):
        write_volume((SCAN > 100).astype(given_type), AFFINE, tmp_path / "a.nii.gz")
        assert read_volume(tmp_path / "a.nii.gz").array.dtype == written


def test_a_missing_file_is_named(tmp_path):
    refused(tmp_path / "none.nii.gz", "no such file")


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kept", [0, 10, 200, 400])
def test_a_truncated_file_is_refused(tmp_path, suffix, kept):
    path = save(tmp_path / f"scan{suffix}")
    path.write_bytes(path.read_bytes()[:kept])
    refused(path)


def test_a_file_with_damaged_bytes_is_refused(tmp_path):
    path = save(tmp_path / "scan.nii.gz", np.random.default_rng(0).normal(size=(40, 40, 40)).astype(np.float32))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :: 7] = bytes(len(content[len(content) // 2 :: 7]))
    path.write_bytes(content)
    refused(path, "damaged")


def test_a_file_compressed_in_several_pieces_is_read(tmp_path):
    path = save(tmp_path / "scan.nii.gz")
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    np.testing.assert_array_equal(read_volume(path).array, SCAN)


@pytest.mark.parametrize("content", [b"hello", gzip.compress(b"hello" * 200, mtime=0), b"\0" * 400])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_another_kind_of_file_is_refused(tmp_path, content, suffix):
    path = tmp_path / f"scan{suffix}"
    path.write_bytes(content)
    refused(path, "not a readable NIfTI")


def test_another_image_format_is_refused(tmp_path):
    nib.save(nib.MGHImage(SCAN, AFFINE), tmp_path / "scan.mgz")
    refused(tmp_path / "scan.mgz", "not NIfTI")


def test_a_trailing_fourth_dimension_of_one_is_dropped(tmp_path):
    assert read_volume(save(tmp_path / "scan.nii.gz", SCAN[..., None])).array.shape == SCAN.shape


@pytest.mark.parametrize("array", [np.stack([SCAN, SCAN], -1), SCAN[:, :, 0]])
def test_other_dimensions_are_refused(tmp_path, array):
    refused(save(tmp_path / "scan.nii.gz", array), "dimensions")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(tmp_path, value):
    array = SCAN.copy()
    array[0, 0, 0] = value
    refused(save(tmp_path / "scan.nii.gz", array), "NaN or infinite")


def test_a_constant_scan_is_refused(tmp_path):
    refused(save(tmp_path / "scan.nii.gz", np.full_like(SCAN, 7)), "everywhere")


@pytest.mark.parametrize("matrix", [np.zeros((3, 3)), np.diag([1, 1, 0]), np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]])])
def test_a_zero_or_singular_affine_is_refused(tmp_path, matrix):
    path = save(tmp_path / "scan.nii", codes=(1, 0))
    image = nib.load(path, mmap=False)
    array = np.asarray(image.dataobj)
    header = image.header.copy()
    for row, name in zip(matrix, ("srow_x", "srow_y", "srow_z")):
        header[name] = [*row, 0]
    out = nib.Nifti1Image(array, None, header)
    nib.save(out, path)
    refused(path, "singular affine")


def test_an_affine_that_is_not_set_is_refused(tmp_path):
    refused(save(tmp_path / "scan.nii.gz", codes=(0, 0)), "neither a qform nor an sform")


def test_qform_and_sform_that_disagree_are_refused(tmp_path):
    moved = AFFINE.copy()
    moved[0, 3] += 3
    refused(save(tmp_path / "scan.nii.gz", qform=moved), "disagree by 3.0 mm")


@pytest.mark.parametrize("codes", [(1, 0), (0, 1)])
def test_the_form_that_is_set_counts(tmp_path, codes):
    moved = AFFINE.copy()
    moved[0, 3] += 3
    affine = read_volume(save(tmp_path / "scan.nii.gz", qform=moved, codes=codes)).affine
    np.testing.assert_allclose(affine, AFFINE if codes[0] else moved, atol=1e-4)


def test_labels_must_be_whole_and_not_empty(tmp_path):
    labels = np.zeros(SCAN.shape, np.float32)
    refused(save(tmp_path / "empty.nii.gz", labels), "empty segmentation", read=read_labels)
    labels[2, 2, 2] = 4
    assert read_labels(save(tmp_path / "good.nii.gz", labels)).array.dtype == np.uint8
    for wrong in (0.5, -1, 300, np.nan):
        labels[3, 3, 3] = wrong
        refused(save(tmp_path / "wrong.nii.gz", labels), "label", read=read_labels)


def test_volumes_of_two_spaces_are_told_apart():
    moved = AFFINE.copy()
    moved[1, 3] += 2
    a, b, c = Volume(SCAN, AFFINE), Volume(SCAN, moved), Volume(SCAN[1:], AFFINE)
    nearly = AFFINE.copy()
    nearly[1, 3] += 0.01
    require_same_space({"a": a, "same": Volume(SCAN, nearly)})
    assert not same_space(a, c)
    with pytest.raises(BadVolume, match=r"b: is not in the space of a: .* 2\.0 mm"):
        require_same_space({"a": a, "b": b})
    with pytest.raises(BadVolume, match=r"c: is not in the space of a: its grid"):
        require_same_space({"a": a, "c": c})


@pytest.mark.parametrize("codes", ["LPS", "RAS", "PSR", "ILP", "ASL"])
def test_volumes_of_one_space_in_another_order_of_axes_are_brought_together(codes):
    scan = Volume(SCAN, AFFINE)
    turned = reorient(scan, nib.orientations.axcodes2ornt(codes))
    found = on_one_grid({"t1": scan, "seg": turned}, {"t1": "t1.nii", "seg": "seg.nii"})
    assert found["t1"] is scan
    np.testing.assert_array_equal(found["seg"].array, SCAN)
    assert same_space(found["seg"], scan)


def test_what_stands_in_another_space_in_any_order_is_refused_with_the_remedy_given():
    moved = AFFINE.copy()
    moved[1, 3] += 2
    turned = reorient(Volume(SCAN, moved), nib.orientations.axcodes2ornt("PSR"))
    with pytest.raises(BadVolume, match=r"seg\.nii: is not in the space of t1\.nii: .* 2\.0 mm away; draw it anew"):
        on_one_grid({"t1": Volume(SCAN, AFFINE), "seg": turned}, {"t1": "t1.nii", "seg": "seg.nii"}, "draw it anew")


@pytest.mark.parametrize("name", ["scan.NII.GZ", "SCAN.nii.GZ", "scan.NII"])
def test_a_suffix_in_upper_case_is_the_same_suffix(tmp_path, name):
    path = tmp_path / name
    write_volume(SCAN, AFFINE, path)
    assert is_packed(path) == (path.read_bytes()[:2] == b"\x1f\x8b") == name.casefold().endswith(".gz")
    np.testing.assert_array_equal(read_volume(path).array, SCAN)
    require_whole(path)
    path.write_bytes(path.read_bytes()[:-20])
    refused(path, "truncated", read=require_whole)


def test_a_whole_gzip_of_a_truncated_scan_is_refused(tmp_path):
    path = save(tmp_path / "scan.nii.gz")
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content[:-50]))
    refused(path, f"truncated ({len(content) - 50} of {len(content)} bytes)", read=require_whole)
    path.write_bytes(gzip.compress(content[:500]) + gzip.compress(content[500:]))
    require_whole(path)


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kept", [0, 100, 347])
def test_a_file_without_a_whole_header_is_refused(tmp_path, suffix, kept):
    path = tmp_path / f"scan{suffix}"
    content = gzip.decompress(save(tmp_path / "whole.nii.gz").read_bytes())[:kept]
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") and content else content)
    refused(path, "truncated or damaged", read=require_whole)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_both_versions_of_nifti_are_whole_in_either_byte_order(tmp_path, suffix, kind, order):
    path = tmp_path / f"scan{suffix}"
    image = kind(SCAN, AFFINE, kind.header_class(endianness=order))
    image.set_sform(AFFINE, 1)
    image.to_filename(path)
    np.testing.assert_array_equal(read_volume(path).array, SCAN)
    require_whole(path)
    content = gzip.decompress(path.read_bytes()) if is_packed(path) else path.read_bytes()
    path.write_bytes(gzip.compress(content[:-1]) if is_packed(path) else content[:-1])
    refused(path, f"truncated ({len(content) - 1} of {len(content)} bytes)", read=require_whole)


def test_an_ending_in_mixed_case_is_told_as_such(tmp_path):
    write_volume(SCAN, AFFINE, tmp_path / "scan.Nii")
    refused(tmp_path / "scan.Nii", "mixed case; rename it")
