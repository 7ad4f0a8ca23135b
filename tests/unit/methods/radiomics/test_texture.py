import numpy as np
import pytest

from mmdino.methods.radiomics.shape import SHAPES, shape
from mmdino.methods.radiomics.texture import COOCCURRENCES, RUNS, cooccurrence, run_lengths

# The digital phantom of the Image Biomarker Standardisation Initiative; 0 is outside of the region of interest.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ],
    np.uint8,
)


def test_run_lengths_have_the_published_values():
    found = dict(zip(RUNS, np.mean([run_lengths(plane) for plane in PHANTOM], axis=0)))
    assert found == {
        "short": pytest.approx(0.641, abs=5e-4),
        "long": pytest.approx(3.78, abs=5e-3),
        "low_grey": pytest.approx(0.604, abs=5e-4),
        "high_grey": pytest.approx(9.82, abs=5e-3),
        "grey_nonuniformity": pytest.approx(0.460, abs=5e-4),
        "length_nonuniformity": pytest.approx(0.492, abs=5e-4),
        "percentage": pytest.approx(0.627, abs=5e-4),
    }


def test_cooccurrence_has_the_published_values():
    found = dict(zip(COOCCURRENCES, np.mean([cooccurrence(plane, 6, [1]) for plane in PHANTOM], axis=0)))
    assert found["contrast"] == pytest.approx(5.28, abs=5e-3)
    assert found["homogeneity"] == pytest.approx(0.619, abs=5e-4)  # IBSI: inverse difference moment
    assert found["correlation"] == pytest.approx(-0.0121, abs=5e-4)


def test_runs_of_stripes_by_hand():
    stripes = np.tile(np.array([[1], [2]], np.uint8), (2, 3))  # 4 rows of 3
    found = dict(zip(RUNS, run_lengths(stripes)))
    # along the rows 4 runs of 3; down and along both diagonals 12 runs of 1
    assert found["long"] == pytest.approx((9 + 1 + 1 + 1) / 4)
    assert found["percentage"] == pytest.approx((4 / 12 + 3) / 4)
    assert not run_lengths(np.zeros((3, 3), np.uint8)).any()


def test_shape_tells_a_disc_from_a_bar():
    rows, columns = np.mgrid[:64, :64] - 32
    disc = dict(zip(SHAPES, shape(np.hypot(rows, columns) < 15)))
    bar = dict(zip(SHAPES, shape((abs(rows) < 3) & (abs(columns) < 25))))
    assert disc["area"] == pytest.approx(np.pi * 15**2, rel=0.02)
    assert disc["circularity"] > 0.85 > 0.6 > bar["circularity"]
    assert disc["eccentricity"] < 0.1 < 0.9 < bar["eccentricity"]
    assert bar["extent"] == 1
    assert np.isfinite(shape(np.eye(9, dtype=bool)[4:5])).all()  # a single pixel
