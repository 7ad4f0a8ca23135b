"""Scans that share another space than the atlas's: one registration, and who comes stripped is not stripped again."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import prepared
from mmdino.config import Cohort, Preprocess
from mmdino.nifti import read_labels, read_volume, same_space, write_volume
from mmdino.preprocess import patient
from mmdino.preprocess.atlas import load_atlas
from mmdino.preprocess.registration import read_pull
from mmdino.preprocess.shard import run_shard
from mmdino.tables import MANIFEST
from validated import bids_errors


@pytest.mark.parametrize("stage", ["stripped-other-space", "atlas-other-space"])
def test_it_is_brought_to_the_atlas_by_one_movement(stage, tmp_path, monkeypatch):
    """The registration itself has its own tests; here it finds the true movement at once."""
    moved = np.eye(4)
    moved[:3, 3] = 12, -30, 40
    made = prepared.prepare("elsewhere")
    row = dict.fromkeys(MANIFEST.columns, "") | {"subject": "e", "session": "preop", "cohort": "c"}
    for name, array in made.scans.items():
        row[name] = str(tmp_path / f"{name}.nii.gz")
        write_volume(1000 * array, moved @ prepared.GRID.affine, row[name])
    row["seg"] = str(tmp_path / "seg.nii.gz")
    write_volume(made.tumour, moved @ prepared.GRID.affine, row["seg"])
    registered = []
    monkeypatch.setattr(patient.registration, "register", lambda *given: registered.append(given) or moved)
    stripped = []
    monkeypatch.setattr(patient, "rough_brain", lambda head: head.array > 0)
    monkeypatch.setattr(patient, "extract_brain", lambda head, how, near, weights: stripped.append(how) or near)
    out = tmp_path / "derivatives"
    done = run_shard("c", Cohort(stage=stage, path="raw"), Preprocess(segmenter="none"), pd.DataFrame([row]), out).iloc[
        0
    ]
    assert (done["status"], done["stage"], done["seg_source"]) == ("done", stage, "given")
    assert (len(registered), len(stripped)) == (1, stage == "atlas-other-space")
    atlas = load_atlas("mni152").volume
    assert all(same_space(read_volume(done[name]), atlas) for name in prepared.SEQUENCES)
    assert done["atlas_dice"] > 0.9
    assert done["sequence_margin"] > 0
    assert done["brain_ml"] == pytest.approx(made.brain.sum() * 0.027, rel=0.02)
    tumour = read_labels(done["seg"]).array > 0
    assert tumour.sum() == pytest.approx((made.tumour > 0).sum() * 27, rel=0.1)
    assert Path(done["figure"]).exists()
    transforms = list(Path(done["transforms"]).glob("*_xfm.txt"))
    assert len(transforms) == 4
    np.testing.assert_allclose(read_pull(transforms[0]), moved, atol=1e-6)
    assert bids_errors(out) == []
