import dataclasses

import numpy as np
import pytest

from mmdino.errors import UserError
from mmdino.evaluation.looking import look
from mmdino.methods.base import Run, method
from mmdino.methods.clinical_floor.settings import Settings
from mmdino.tables import SEQUENCES
from mmdino.training.fit import fit


def test_volume_is_counted_over_the_axial_slices_whatever_is_shown(tiny_patients, tmp_path):
    run = Run(Settings(), 0, tmp_path, tiny_patients)
    with pytest.raises(UserError, match="holds no clinical floor"):
        method("clinical-floor").load(run)
    fit(run, "clinical-floor", {"experiment": "clinical-floor"})
    encoder, asked = method("clinical-floor").load(run), tiny_patients.select("val")
    index = tiny_patients.bank.index
    voxels = index[index["axis"] == 2].groupby("subject")["tumour_voxels"].sum()
    seen = look(encoder, tiny_patients, asked, [SEQUENCES, ("t1",)], with_head=True, title="", progress=False)
    for answer in seen.values():
        found, logarithm = answer.values["cls"][:, 0], np.log1p(voxels)
        expected = logarithm.loc[asked] - logarithm.loc[tiny_patients.select("train")].mean()
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert set(seen[SEQUENCES].values) == {"cls"}
    cut = dataclasses.replace(tiny_patients.evaluation_slices(asked), rows=None)
    with pytest.raises(ValueError, match="read from a bank"):
        encoder.features(cut, SEQUENCES)
