import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdino.dataset import slices
from mmdino.tables import SEQUENCES

FIXTURES = Path(os.environ.get("MMDINO_FIXTURES", Path(__file__).parents[4] / "shared" / "fixtures"))


def test_voxels_are_counted_not_label_values_summed():
    tumour = np.zeros((8, 9, 10), np.uint8)
    tumour[3, :5, :5] = 1  # 25 voxels
    tumour[6, :3, :3] = 4  # 9 voxels, but their values sum to 36
    assert slices.tumour_voxels(tumour, 0).argmax() == 3
    for axis in range(3):
        np.testing.assert_array_equal(slices.tumour_voxels(tumour, axis), slices.tumour_voxels(tumour > 0, axis))


@pytest.mark.parametrize(
    ("counts", "chosen"),
    [([0, 500, 499, 800], [1, 3]), ([0, 3, 7, 7], [2]), ([0, 0], [])],
    ids=["enough", "few", "none"],
)
def test_training_slices(counts, chosen):
    np.testing.assert_array_equal(slices.training_slices(np.array(counts), 500), chosen)


@given(
    shape=st.tuples(st.integers(16, 90), st.integers(16, 90)),
    size=st.integers(8, 16),
    corner=st.tuples(st.integers(0, 89), st.integers(0, 89)),
    extent=st.tuples(st.integers(1, 8), st.integers(1, 8)),
)
def test_crop_lies_inside_and_is_centred_within_half_a_pixel_unless_shifted(shape, size, corner, extent):
    tumour = np.zeros(shape, bool)
    place = tuple(slice(min(c, n - 1), c + e) for c, n, e in zip(corner, shape, extent))
    tumour[place] = True
    start = slices.crop_start(tumour, size)
    for first, length, centre in zip(start, shape, np.argwhere(tumour).mean(axis=0)):
        assert 0 <= first <= length - size
        if 0 < first < length - size:
            assert abs(first + (size - 1) / 2 - centre) <= 0.5
    assert slices.crop(tumour, start, size).sum() == tumour.sum()  # a tumour no wider than half a crop is never cut


@given(
    shape=st.tuples(*[st.integers(3, 30)] * 3), seed=st.integers(0, 99), rule=st.sampled_from(["mended", "released"])
)
def test_counts_and_crops_are_the_same_from_the_tumours_box_alone(shape, seed, rule):
    generator = np.random.default_rng(seed)
    tumour = np.zeros(shape, np.uint8)
    places = tuple(generator.integers(0, length, 6) for length in shape)
    tumour[places] = generator.integers(1, 5, 6)
    box = slices.tumour_box(tumour)
    for axis in range(3):
        counts = slices.tumour_voxels(tumour, axis, rule)
        np.testing.assert_array_equal(counts[box[axis]], slices.tumour_voxels(tumour[box], axis, rule))
        assert counts.sum() == counts[box[axis]].sum()
        for number in np.flatnonzero(counts):
            plane = tumour.take(number, axis)
            corner = [side.start for side in np.delete(np.array(box), axis)]
            centre = slices.centre_of_mass(plane[tuple(np.delete(np.array(box), axis))]) + corner
            assert slices.start_round(centre, plane.shape, 8, rule) == slices.crop_start(plane, 8, rule)


def test_crop_of_a_smaller_plane_is_padded_evenly():
    plane = np.arange(1, 13).reshape(1, 3, 4)
    start = slices.crop_start(plane[0] > 0, 8)
    cut = slices.crop(plane, start, 8)
    assert cut.shape == (1, 8, 8)
    np.testing.assert_array_equal(cut[0, 2:5, 2:6], plane[0])
    assert np.count_nonzero(cut) == 12


def test_scaling_ignores_the_extremes_of_each_sequence_and_survives_a_flat_one():
    generator = np.random.default_rng(0)
    crops = np.stack([generator.normal(size=(40, 40)), 1000 * generator.normal(size=(40, 40)), np.full((40, 40), 7.0)])
    crops[0, 0, 0] = 1e6
    scaled = slices.scale(crops)
    assert scaled.dtype == np.float32
    assert scaled.min() == 0
    assert scaled.max() == 1
    assert not scaled[2].any()
    for crop in scaled[:2]:
        assert np.mean(crop == 0) == pytest.approx(0.01, abs=0.002)
        assert np.mean(crop == 1) == pytest.approx(0.01, abs=0.002)


@given(seed=st.integers(0, 99), side=st.integers(1, 40), kind=st.sampled_from([np.float32, np.float64]))
def test_scaling_is_by_numpys_percentiles_to_the_bit(seed, side, kind):
    generator = np.random.default_rng(seed)
    crops = (generator.integers(0, 900, (2, 3, side, side)) * (generator.random((2, 3, side, side)) < 0.6)).astype(kind)
    low, high = np.percentile(crops, (slices.LOW, slices.HIGH), axis=(2, 3), keepdims=True)
    span = np.where(high > low, high - low, np.inf)
    expected = np.clip((crops - low) / span, 0, 1).astype(np.float32)
    assert slices.scale(crops).tobytes() == expected.tobytes()


def _fixture():
    path = FIXTURES / "slice_crop_transforms.npz"
    if not path.exists():
        pytest.skip(f"{path} is not here: set MMDINO_FIXTURES to the folder of numerical fixtures")
    return np.load(path)


def test_slices_and_scaling_agree_with_the_released_code_where_its_defects_do_not_show():
    fixture = _fixture()
    order = [("t2", "t1", "t1c", "flair").index(name) for name in SEQUENCES]
    compared = 0
    for case in ("v0", "v1", "v2"):  # v3 has no tumour: the released code crops a corner, we leave the patient out
        tumour = fixture[f"{case}.seg"] > 0
        for axis in range(3):
            released = {
                name: fixture[f"{case}.ax{axis}.{name}"] for name in ("slice", "crop", "raw", "scaled", "segcrop")
            }
            np.testing.assert_allclose(slices.scale(released["raw"]), released["scaled"], atol=1e-5)
            counts = slices.tumour_voxels(tumour, axis)
            plane = tumour.take(counts.argmax(), axis)
            start = slices.crop_start(plane, 96)
            if counts.argmax() != released["slice"] or list(start) != released["crop"][:, 0].tolist():
                continue  # mended: the slice is chosen by voxels, the crop is centred
            images = np.stack([fixture[f"{case}.{name}"].take(counts.argmax(), axis) for name in SEQUENCES])
            np.testing.assert_allclose(
                slices.scale(slices.crop(images, start, 96)), released["scaled"][order], atol=1e-5
            )
            np.testing.assert_array_equal(slices.crop(plane, start, 96), released["segcrop"] > 0)
            compared += 1
    assert compared >= 4
