"""The picture by which a person judges a patient."""

import numpy as np
import pytest

from mmdino.nifti import Volume
from mmdino.preprocess.figure import write_figure
from mmdino.tables import SEQUENCES


@pytest.mark.parametrize("planes", [1, 3])
def test_a_slab_is_drawn_from_its_edge_too(tmp_path, planes):
    array = np.zeros((40, 40, planes), np.float32)
    array[8:32, 8:32] = 1
    scans = {name: Volume(array, np.eye(4)) for name in SEQUENCES}
    tumour = np.zeros(array.shape, np.uint8)
    tumour[16:24, 16:24] = 1
    write_figure(tmp_path / "one.png", "one", scans, array > 0, tumour, Volume(array, np.eye(4)))
    assert (tmp_path / "one.png").stat().st_size > 1000
