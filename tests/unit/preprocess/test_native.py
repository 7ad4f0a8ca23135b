"""The whole chain on a synthetic head, twice; and a registered head. Minutes, so it runs with the studies."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from heads import CENTRE, make_head
from mmdino.config import Cohort, Preprocess
from mmdino.nifti import read_labels, read_volume, same_space, write_volume
from mmdino.phantom.anatomy import ATLAS
from mmdino.phantom.patient import draw_patient, render
from mmdino.preprocess.atlas import load_atlas
from mmdino.preprocess.registration import read_pull
from mmdino.preprocess.shard import run_shard
from mmdino.tables import MANIFEST, SEQUENCES
from validated import bids_errors

pytestmark = pytest.mark.study


def run(row, stage, folder, **settings):
    row = dict.fromkeys(MANIFEST.columns, "") | {"subject": "H-1", "session": "preop", "cohort": "c"} | row
    table = run_shard("c", Cohort(stage=stage, path="raw"), Preprocess(**settings), pd.DataFrame([row]), folder)
    return table.iloc[0]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A head without t1 and t2, whose tumour was segmented on its t1c, brought to the atlas."""
    folder = tmp_path_factory.mktemp("native")
    head = make_head(folder / "raw", "H-1", ("t1c", "flair"))
    head.row["seg"] = str(folder / "raw" / "H-1" / "H-1_seg.nii.gz")
    t1c = read_volume(head.row["t1c"])
    places = np.indices(t1c.array.shape).reshape(3, -1).T @ t1c.affine[:3, :3].T + t1c.affine[:3, 3]
    centre = (head.pulls["t1c"] @ [*CENTRE, 1])[:3]
    radius = np.linalg.norm(places - centre, axis=1).reshape(t1c.array.shape)
    labels = np.select([radius < 11, radius < 16, radius < 26], [1, 4, 2]).astype(np.uint8)
    write_volume(labels, t1c.affine, head.row["seg"])
    return head, run(head.row, "native", folder / "out", segmenter="none"), folder / "out"


def test_it_is_done_within_its_time(done):
    _, row, _ = done
    assert (row.status, row.reason, row.t1, row.t2, row.seg_source) == ("done", "", "", "", "given")
    assert row.seconds < 90


def test_everything_lies_on_the_atlas_grid_with_an_empty_background(done):
    _, row, _ = done
    atlas = load_atlas("mni152").volume
    mask = read_labels(row["mask"])
    for name in ("t1c", "flair"):
        scan = read_volume(row[name])
        assert same_space(scan, atlas)
        assert not scan.array[mask.array == 0].any()
        assert (scan.array[mask.array > 0] > 0).mean() > 0.99
    assert same_space(read_labels(row["seg"]), atlas)


def test_the_brain_and_the_movements_are_the_true_ones(done):
    head, row, _ = done
    mask = read_labels(row["mask"]).array > 0
    assert dice(mask, head.brain) > 0.95
    places = np.argwhere(head.brain)[::5000] + load_atlas("mni152").volume.affine[:3, 3]
    places = np.c_[places, np.ones(len(places))]
    paths = list(Path(row.transforms).glob("*_xfm.txt"))
    assert len(paths) == 2
    for path in paths:
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
    assert bids_errors(folder) == []


def test_the_same_head_gives_the_same_bytes(done, tmp_path):
    head, _, folder = done
    run(head.row, "native", tmp_path, segmenter="none")
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.suffix in (".gz", ".txt", ".png"))
    assert len(files) == 7  # two scans, mask, tumour, two transforms, a picture
    for file in files:
        assert (tmp_path / file).read_bytes() == (folder / file).read_bytes(), file


def test_a_registered_head_is_stripped_and_segmented(tmp_path):
    patient = draw_patient("atlas-head", "default", "site-b", "test")
    rendered = render(patient, ATLAS, head=True)
    row = {}
    for name, image in zip(SEQUENCES, rendered.images):
        row[name] = str(tmp_path / f"{name}.nii.gz")
        write_volume(np.rint(image * 1000).astype(np.int16), ATLAS.affine, row[name])
    table = run(row, "atlas", tmp_path / "out", brain_extraction="deepbet", segmenter="phantom")
    assert (table.status, table.reason, table.seg_source) == ("done", "", "nnunet:phantom")
    brain, tumour = read_labels(table["mask"]).array > 0, read_labels(table["seg"]).array > 0
    assert dice(brain, rendered.brain) > 0.93
    assert dice(tumour, rendered.seg > 0) > 0.8
    assert bids_errors(tmp_path / "out") == []


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())
