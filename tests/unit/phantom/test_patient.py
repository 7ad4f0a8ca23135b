import dataclasses

import numpy as np
import pytest

from mmdino.phantom.noise import Grid, SmoothNoise
from mmdino.phantom.patient import draw_patient, render, slab_grid
from mmdino.phantom.signs import Signs
from mmdino.tables import SEQUENCES

QUIET = Signs("none", False, False, False, False, False, False, False)


def patient_with(**signs):
    patient = draw_patient("p", "default", "site-a", 0)
    return dataclasses.replace(patient, signs=dataclasses.replace(QUIET, **signs))


def plane(patient):
    return render(patient, slab_grid(patient, 1))


def test_equal_patients_are_equal_bit_for_bit():
    patient = patient_with(enhancement="ring")
    np.testing.assert_array_equal(plane(patient).images, plane(patient).images)


@pytest.mark.parametrize(
    ("sign", "shown_in"),
    [({"enhancement": "ring"}, {"t1c"}), ({"mismatch": True}, {"flair"}), ({"heterogeneity": True}, {"t2"})],
)
def test_a_sign_shows_only_where_a_radiologist_would_look(sign, shown_in):
    without, with_sign = plane(patient_with()), plane(patient_with(**sign))
    core = (without.seg[..., 0] > 0) & (with_sign.seg[..., 0] > 0)
    for i, name in enumerate(SEQUENCES):
        change = np.abs(with_sign.images[i, ..., 0] - without.images[i, ..., 0])[core].mean()
        assert (change > 0.02) == (name in shown_in), (name, change)


def test_specks_are_dark_in_t2_and_faint_elsewhere():
    without, with_specks = plane(patient_with()), plane(patient_with(specks=True))
    change = np.abs(with_specks.images - without.images).max(axis=(1, 2, 3))
    assert change[SEQUENCES.index("t2")] > 4 * change[SEQUENCES.index("flair")]


def test_another_site_changes_the_look_and_not_the_anatomy():
    patient = patient_with()
    here, there = plane(patient), plane(dataclasses.replace(patient, site="external"))
    np.testing.assert_array_equal(here.seg, there.seg)
    assert np.abs(here.images - there.images).mean() > 0.01


def test_the_background_is_exactly_zero():
    rendering = plane(patient_with())
    assert (rendering.images[:, ~rendering.brain] == 0).all()


def test_noise_is_a_function_of_position():
    noise = SmoothNoise(np.random.default_rng(0), 5.0, np.zeros(3), np.full(3, 40.0))
    fine = noise(Grid((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (40, 40, 40)))
    coarse = noise(Grid((4.0, 8.0, 2.0), (2.0, 1.0, 3.0), (10, 12, 8)))
    np.testing.assert_allclose(coarse, fine[4:24:2, 8:20, 2:26:3], atol=1e-4)
    assert fine.std() == pytest.approx(1, abs=0.25)
