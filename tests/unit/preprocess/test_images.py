import itertools

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdino.errors import UserError
from mmdino.nifti import Volume, reorient
from mmdino.preprocess.images import RAS, harmonise, to_ants

ORIENTATIONS = [
    "".join(letters) for order in itertools.permutations(("RL", "AP", "SI")) for letters in itertools.product(*order)
]


def oblique(codes="RAS", shear=0.0):
    """A small volume whose axes lie roughly along ``codes``."""
    array = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    turn = np.array([[np.cos(0.2), -np.sin(0.2), shear], [np.sin(0.2), np.cos(0.2), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn * [1.0, 1.5, 4.0]
    affine[:3, 3] = 7, -9, 11
    return reorient(Volume(array, affine), nib.orientations.axcodes2ornt(codes))


@pytest.mark.parametrize("codes", ORIENTATIONS)
def test_reorienting_moves_no_voxel(codes):
    first, turned = oblique(), oblique(codes)
    assert "".join(nib.aff2axcodes(turned.affine)) == codes
    for index in ((0, 0, 0), tuple(length - 1 for length in turned.array.shape), (1, 2, 3)):
        place = turned.affine @ [*index, 1]
        back = np.round(np.linalg.inv(first.affine) @ place)[:3].astype(int)
        assert turned.array[index] == first.array[tuple(back)]
    again = reorient(turned, RAS)
    np.testing.assert_array_equal(again.array, first.array)
    np.testing.assert_allclose(again.affine, first.affine, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(ORIENTATIONS), st.floats(-0.015, 0.015))
def test_harmonised_axes_are_perpendicular_and_along_ras(codes, shear):
    volume = harmonise(oblique(codes, shear), "scan.nii.gz")
    directions = volume.affine[:3, :3] / volume.spacing
    np.testing.assert_allclose(directions.T @ directions, np.eye(3), atol=1e-9)
    assert "".join(nib.aff2axcodes(volume.affine)) == "RAS"
    assert np.linalg.det(volume.affine[:3, :3]) > 0
    assert volume.array.dtype == np.float32


def test_a_sheared_affine_is_refused():
    with pytest.raises(UserError, match=r"scan\.nii\.gz: its affine is sheared"):
        harmonise(oblique(shear=0.2), "scan.nii.gz")


def test_ants_sees_the_same_points():
    volume = harmonise(oblique("LPS"), "scan.nii.gz")
    import ants

    image = to_ants(volume)
    np.testing.assert_array_equal(image.numpy(), volume.array)
    index = (2, 3, 4)
    place = np.array(ants.transform_index_to_physical_point(image, index))
    np.testing.assert_allclose(place * [-1, -1, 1], (volume.affine @ [*index, 1])[:3], atol=1e-4)
