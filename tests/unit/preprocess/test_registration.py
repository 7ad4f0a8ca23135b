import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mmdino.nifti import Volume
from mmdino.preprocess.environment import one_thread
from mmdino.preprocess.images import to_ants
from mmdino.preprocess.registration import read_pull, register, resample, resample_labels, write_pull


def blob(shape=(66, 72, 60), spacing=(2.5, 2.5, 2.5), seed=1):
    """A smooth random volume centred on the origin."""
    array = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 4)
    ball = np.linalg.norm((np.indices(shape).T - (np.array(shape) - 1) / 2).T, axis=0) < 26
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -(np.array(shape) - 1) / 2 * spacing
    return Volume(((array - array.min()) * ball).astype(np.float32), affine)


def turn(degrees=6.0, shift=(5.0, -3.0, 4.0)):
    """A rotation about z with a shift, as a pull."""
    pull = np.eye(4)
    angle = np.radians(degrees)
    pull[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pull[:3, 3] = shift
    return pull


@pytest.mark.parametrize("kind", ["rigid", "affine"])
def test_a_known_movement_is_found(kind):
    one_thread(0)
    fixed = blob()
    pull = turn()
    moving = Volume(fixed.array, pull @ fixed.affine)  # the same voxels elsewhere: the truth is exactly ``pull``
    found = register(fixed, moving, kind)
    places = np.c_[np.random.default_rng(0).uniform(-50, 50, (50, 3)), np.ones(50)]
    error = np.linalg.norm((places @ found.T - places @ pull.T)[:, :3], axis=1)
    assert np.median(error) < 0.5
    if kind == "rigid":
        np.testing.assert_array_equal(found, register(fixed, moving, kind), "the same twice, to the bit")


def test_resampling_with_the_true_movement_gives_the_fixed_volume():
    fixed, pull = blob(), turn()
    moved = resample(Volume(fixed.array, pull @ fixed.affine), fixed, pull)
    np.testing.assert_allclose(moved.array, fixed.array, atol=1e-4)


def test_ants_applies_a_written_transform_alike(tmp_path):
    import ants

    fixed, moving, pull = blob(), blob((60, 70, 40), (3.0, 2.0, 4.0), seed=2), turn()
    write_pull(pull, tmp_path / "moving_xfm.txt")
    np.testing.assert_allclose(read_pull(tmp_path / "moving_xfm.txt"), pull, atol=1e-7)
    theirs = ants.apply_transforms(to_ants(fixed), to_ants(moving), [str(tmp_path / "moving_xfm.txt")]).numpy()
    ours = resample(moving, fixed, pull).array
    inner = (slice(6, -6),) * 3  # ITK and SciPy differ in the last voxel before the border
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=1e-4)


def test_labels_stay_labels_and_keep_their_volume():
    fixed = blob()
    labels = np.zeros(fixed.array.shape, np.uint8)
    labels[10:25, 12:30, 8:24] = 2
    labels[14:20, 16:24, 12:20] = 3
    moved = resample_labels(Volume(labels, turn() @ fixed.affine), fixed, turn(9.0))
    assert set(np.unique(moved.array)) == {0, 2, 3}
    for label in (2, 3):
        assert (moved.array == label).sum() == pytest.approx((labels == label).sum(), rel=0.05)
