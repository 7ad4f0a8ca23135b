"""Figures of what the model sees and of its surest mistakes: they draw what the files hold, the right way up."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mmdino.config import Bank
from mmdino.dataset.bank import SliceBank
from mmdino.dataset.build import build_bank
from mmdino.insight.record import Insight, TokenMaps
from mmdino.nifti import write_volume
from mmdino.reporting import pictures
from mmdino.reporting.data import gather
from mmdino.reporting.error_analysis import Mistake
from mmdino.reporting.figures import slices, style
from mmdino.reporting.figures.insight import MOST_NAMES, attention_by_sequence, embedding_similarity, feature_map
from mmdino.tables import CLASSES, SEQUENCES
from results_factory import MadeArm, write_scans, write_study

GRID = 3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    study, results = write_study(tmp_path_factory.mktemp("seen"), {"mm-dinov2": MadeArm(None, "mm-dinov2")}, test=30)
    write_scans(results)
    found = gather(study, results)
    rows = found.preprocessed[found.preprocessed["cohort"] == "external"].head(9).copy()
    for name in (*SEQUENCES, "seg"):
        rows[name] = str(results / "raw" / f"{name}.nii.gz")
    marked = np.zeros((48, 56, 12), np.int16)
    marked[6:36, 16:46] = 100
    marked[6:16, 34:46] = 300  # left and in front of the tumour's middle
    write_volume(marked, np.diag([3.0, 3.0, 10.0, 1.0]), results / "raw/t1.nii.gz")
    build_bank(rows, Bank(axes=[2], crop=32, min_tumour_voxels=20), results / "cohorts/external/slices")
    return replace(found, insight=seen([*rows["subject"]][:6], found.splits))


def seen(subjects, splits):
    """Return what somebody might have seen of a network with 2 blocks."""
    rng = np.random.default_rng(0)
    attention = rng.uniform(0, 0.02, (len(subjects), 4, GRID, GRID)).astype(np.float16)
    colours = rng.integers(0, 255, (len(subjects), 4, GRID, GRID, 3), np.uint8)
    shares = dict(zip(SEQUENCES, (0.1, 0.4, 0.2, 0.3)))
    rows = [
        {"split": split, "block": block, "sequence": name, "share": share, "low": share - 0.01, "high": share + 0.01, "n": 7}
        for split in ("val", "test") for block in (1, 2) for name, share in shares.items()
    ]  # fmt: skip
    pull = [
        {"split": split, "sequence": name, "ratio": 2.0, "low": 1.5, "high": 2.5}
        for split in ("val", "test") for name in SEQUENCES
    ]  # fmt: skip
    patients = splits.assign(x=rng.normal(size=len(splits)), y=rng.normal(size=len(splits)))
    patients["site"] = [f"site-{n % (MOST_NAMES + 3)}" for n in range(len(patients))]
    return Insight(
        "mm-dinov2", 0, patients, TokenMaps(np.array(subjects), list(SEQUENCES), attention, colours), rows, pull,
        similarity=np.eye(4).tolist(), explained=0.6, readout="cls",
    )  # fmt: skip


def mistakes(data, subjects):
    return [Mistake(data.reference.name, subject, CLASSES[0], CLASSES[1], 0.9, 0.05) for subject in subjects]


def test_slices_are_those_of_the_bank_with_the_front_up(data):
    shown = slices.slices_of(data, ["sub-0040", "not there"])
    assert list(shown) == ["sub-0040"]
    t1, tumour = shown["sub-0040"].images[0], shown["sub-0040"].tumour
    row, column = (round(float(place.mean())) for place in np.nonzero(tumour))
    quarters = [t1[:row, :column], t1[:row, column + 1 :], t1[row + 1 :, :column], t1[row + 1 :, column + 1 :]]
    bright = [quarter[quarter > 0].mean() for quarter in quarters]
    assert bright[0] > 2 * max(bright[1:])
    bank = SliceBank.open([data.results / "cohorts/external/slices"])
    np.testing.assert_array_equal(
        np.sort(t1.ravel()), np.sort(bank.read([bank.evaluation_row("sub-0040")]).images[0, 0].ravel())
    )


def images_in(figure, row, column):
    """Return the pictures in a cell of a grid of pictures."""
    found = [(image, image.get_extent()) for image in figure.axes[0].images]
    return [
        image.get_array() for image, (left, _, _, top) in found if (math.floor(top), math.floor(left)) == (row, column)
    ]


def test_the_surest_mistakes_have_a_row_each_with_attention_where_it_is_known(data):
    subjects = [f"sub-{n:04d}" for n in range(40, 49)]
    with style.styled():
        figure = slices.surest_mistakes(data, [*mistakes(data, ["sub-0099"]), *mistakes(data, subjects)])
        plain = slices.surest_mistakes(replace(data, insight=None), mistakes(data, subjects[:2]))
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(rows) == slices.MOST - 1  # sub-0099 is in no bank
    assert rows[0] == "sub-0040\nis astro\nnot GBM (.90)"
    assert [len(images_in(figure, 0, column)) for column in range(8)] == [1] * 4 + [2] * 4
    drawn = images_in(figure, 0, 5)[1]
    np.testing.assert_array_equal(drawn, slices.upright(data.insight.tokens.attention[0, 1].astype(np.float32)))
    assert [len(images_in(plain, row, column)) for row in range(3) for column in range(5)] == [*[1] * 4, 0] * 2 + [
        0
    ] * 5


def test_without_mistakes_banks_or_tokens_there_is_no_picture(data, tmp_path):
    assert slices.surest_mistakes(data, []) is None
    assert slices.surest_mistakes(replace(data, results=tmp_path), mistakes(data, ["sub-0040"])) is None
    assert slices.token_colours(replace(data, insight=None)) is None
    assert slices.token_colours(replace(data, results=tmp_path)) is None


def test_tokens_stand_beside_their_slices_the_same_way_up(data):
    with style.styled():
        figure = slices.token_colours(data)
    assert len(figure.axes[0].get_yticks()) == 4
    [drawn] = images_in(figure, 0, 1)
    tokens = data.insight.tokens.colours[0, 0]
    np.testing.assert_array_equal(drawn[0, 0], tokens[0, GRID - 1])  # left front
    np.testing.assert_array_equal(drawn[GRID - 1, GRID - 1], tokens[GRID - 1, 0])  # right back


def test_attention_is_drawn_as_it_was_measured(data):
    with style.styled():
        val, test, pull = attention_by_sequence(data, data.insight).axes
    assert val.get_title(loc="left") == "validation (n = 7)"
    for axes in (val, test):
        drawn = {bars.get_label(): bars.lines[0].get_ydata() for bars in axes.containers}
        assert {name: list(values) for name, values in drawn.items()}["T1c"] == [0.4, 0.4]
        assert len(drawn) == 4
    assert {tuple(bars.lines[0].get_ydata()) for bars in pull.containers} == {(2.0, 2.0)}


def test_everybody_is_on_the_map_three_times_and_many_sites_share_the_grey(data):
    with style.styled():
        panels = feature_map(data, data.insight).axes
    for axes in panels:
        assert sum(len(dots.get_offsets()) for dots in axes.collections) == len(data.insight.patients)
    named = [text.get_text() for text in panels[2].get_legend().get_texts()]
    assert len(named) == MOST_NAMES + 1
    assert named[0] == "others"


def test_a_network_without_attention_or_embeddings_has_no_such_figures(data):
    bare = Insight("mm-dinov2", 0)
    assert attention_by_sequence(data, bare) is None
    assert feature_map(data, bare) is None
    assert embedding_similarity(data, bare) is None
    with style.styled():
        cells = embedding_similarity(data, data.insight).axes[0].texts
    assert [cell.get_text() for cell in cells].count("1.00") == 4


def test_pictures_of_flagged_patients_are_kept_when_there_are_too_many(data, monkeypatch):
    rows = data.preprocessed.copy()
    drawn = rows.index[rows["figure"] != ""]
    rows.loc[drawn[-1], ["flags", "brain_ml"]] = ["brain is cut", 1234.0]
    monkeypatch.setattr(pictures, "SAMPLE", 2)
    shown, everybody = pictures.sample(replace(data, preprocessed=rows))
    assert (len(shown), everybody) == (2, len(drawn))
    flagged = next(picture for picture in shown if picture.title == f"{rows.loc[drawn[-1], 'subject']} (whole-heads)")
    assert flagged.caption == "brain 1,234 ml · tumour from nnunet · 1.2 min CPU · brain is cut"
    out = replace(data, preprocessed=rows.assign(status=np.where(rows.index == drawn[-1], "excluded", rows["status"])))
    assert pictures.sample(out)[1] == len(drawn) - 1
