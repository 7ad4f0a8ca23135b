"""The whole chain on one synthetic head, once; minutes, so it runs with the studies."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from heads import CENTRE, make_head

from mmdino.config import Cohort, Preprocess
from mmdino.nifti import read_labels, read_volume, same_space, write_volume
from mmdino.preprocess.atlas import load_atlas
from mmdino.preprocess.registration import read_pull
from mmdino.preprocess.shard import run_shard
from mmdino.tables import MANIFEST

pytestmark = pytest.mark.study


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A head without t1, whose tumour was segmented on its t1c, brought to the atlas."""
    folder = tmp_path_factory.mktemp("native")
    head = make_head(folder / "raw", "H-1", ("t1c", "t2", "flair"))
    row = dict.fromkeys(MANIFEST.columns, "") | {"subject": "H-1", "session": "preop", "cohort": "c"} | head.row
    row["seg"] = str(folder / "raw" / "H-1" / "H-1_seg.nii.gz")
    t1c = read_volume(row["t1c"])
    places = np.indices(t1c.array.shape).reshape(3, -1).T @ t1c.affine[:3, :3].T + t1c.affine[:3, 3]
    centre = (head.pulls["t1c"] @ [*CENTRE, 1])[:3]
    radius = np.linalg.norm(places - centre, axis=1).reshape(t1c.array.shape)
    write_volume(np.select([radius < 11, radius < 16, radius < 26], [1, 4, 2]).astype(np.uint8), t1c.affine, row["seg"])
    table = run_shard(
        "c", Cohort(stage="native", path="raw"), Preprocess(segmenter="none"), pd.DataFrame([row]), folder / "out"
    )
    return head, table.iloc[0], folder / "out"


def test_it_is_done_within_its_time(done):
    _, row, _ = done
    assert (row.status, row.reason, row.t1) == ("done", "", "")
    assert row.seconds < 90


def test_everything_lies_on_the_atlas_grid_with_an_empty_background(done):
    _, row, _ = done
    atlas = load_atlas("mni152").volume
    mask = read_labels(row["mask"])
    for name in ("t1c", "t2", "flair"):
        scan = read_volume(row[name])
        assert same_space(scan, atlas)
        assert not scan.array[mask.array == 0].any()
        assert (scan.array[mask.array > 0] > 0).mean() > 0.99
    assert same_space(read_labels(row["seg"]), atlas)


def test_the_brain_and_the_movements_are_the_true_ones(done):
    head, row, _ = done
    mask = read_labels(row["mask"]).array > 0
    assert 2 * (mask & head.brain).sum() / (mask.sum() + head.brain.sum()) > 0.95
    places = np.argwhere(head.brain)[::5000] @ np.eye(3) + load_atlas("mni152").volume.affine[:3, 3]
    places = np.c_[places, np.ones(len(places))]
    for path in Path(row.transforms).glob("*_xfm.txt"):
        name = path.name.split("_from-")[1].split("_")[0]
        error = np.linalg.norm((places @ (read_pull(path) - head.pulls[name]).T)[:, :3], axis=1)
        assert np.median(error) < 1, name


def test_the_tumour_is_where_it_was(done):
    _, row, _ = done
    labels = read_labels(row["seg"])
    assert set(np.unique(labels.array)) == {0, 1, 2, 3}
    centre = np.argwhere(labels.array > 0).mean(axis=0) + labels.affine[:3, 3]
    np.testing.assert_allclose(centre, CENTRE, atol=1)
    assert (labels.array > 0).sum() == pytest.approx(4 / 3 * np.pi * 26**3, rel=0.05)


def test_the_derivatives_are_valid_bids_with_a_picture(done):
    _, row, folder = done
    assert Path(row.figure).read_bytes().startswith(b"\x89PNG")
    validator = Path(sys.executable).parent / "bids-validator-deno"
    told = subprocess.run([validator, folder, "--format", "json", "--ignoreWarnings"], capture_output=True, text=True)
    assert json.loads(told.stdout)["issues"]["issues"] == []
    assert told.returncode == 0
