"""The flow of patients: everybody found is used or lost for a reason, and picture, table and cohorts say the same."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from mmdino.reporting.data import gather
from mmdino.reporting.figures import style
from mmdino.reporting.figures.flow import flow_diagram
from mmdino.reporting.flow import COUNTS, flow, flow_table, short
from mmdino.reporting.study import cohort_table
from results_factory import MadeArm, write_study

REASONS = {
    "raw/p1/p1_t2.nii.gz: is truncated or damaged (ends at 3); download or convert it again": "is truncated or damaged",
    "excluded: no t1c": "no t1c",
    "quality control: brain of 512 ml; brain and atlas overlap by 0.61": "brain of … ml",
    "config/qc.tsv: moved a lot": "moved a lot",
    "registration to MNI152NLin2009aSym failed (Dice of brain and atlas 0.31); look": "registration to MNI152NLin2009aSym failed",
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return gather(*write_study(tmp_path_factory.mktemp("flow"), {"mm-dinov2": MadeArm(None, "mm-dinov2")}, test=60))


def lossy(data, seed):
    """Lose patients at random at every step."""
    rng = np.random.default_rng(seed)
    manifest, done, splits = (frame.copy() for frame in (data.manifest, data.preprocessed, data.splits))
    reasons = rng.choice([*REASONS], len(done))
    fate = rng.choice(["done", "excluded", "failed", "absent"], len(done), p=[0.7, 0.1, 0.1, 0.1])
    done["status"], done["reason"] = fate, np.where(fate == "done", "", reasons)
    aside = rng.random(len(manifest)) < 0.1
    manifest.loc[aside, "excluded"] = "no t1c"
    done.loc[aside, ["status", "reason"]] = ["failed", "excluded: no t1c"]
    kept = done.loc[done["status"] == "done", "subject"]
    splits = splits[splits["subject"].isin(kept)]
    splits = splits[rng.random(len(splits)) < 0.9]  # the others are further sessions
    without = splits[rng.random(len(splits)) < 0.1]
    left_out = pd.DataFrame({"cohort": without["cohort"], "subject": without["subject"], "reason": "has no tumour"})
    return replace(data, manifest=manifest, preprocessed=done[fate != "absent"], splits=splits, left_out=left_out)


@pytest.mark.parametrize("seed", range(5))
def test_everybody_found_is_used_or_lost_and_every_loss_has_its_reason(data, seed):
    found = flow(lossy(data, seed))
    frame = found.frame
    lost = frame["set_aside"] + frame["waiting"] + frame["failed"]
    assert (frame["found"] == lost + frame["preprocessed"]).all()
    assert (frame["preprocessed"] == frame["refused"] + frame["kept"]).all()
    assert (frame["kept"] == frame["again"] + frame["no_slices"] + frame["used"]).all()
    assert (frame["used"] == frame[["train_labelled", "train_unlabelled", "val", "test"]].sum(axis=1)).all()
    assert (frame[list(COUNTS)] >= 0).all(axis=None)
    for step in ("set_aside", "failed", "refused", "no_slices"):
        assert found.total(step) == found.reasons[step].total()


def test_picture_and_tables_say_the_same(data):
    changed = lossy(data, 1)
    table = flow_table(changed).frame.set_index("cohort")
    with style.styled():
        drawn = [text.get_text() for text in flow_diagram(changed).axes[0].texts]
    for column in ("found", "preprocessed", "kept", "used", "val", "test"):
        assert str(table.loc["all", column]) in drawn
    assert str(table.loc["all", "train_labelled"] + table.loc["all", "train_unlabelled"]) in drawn
    said = " ".join(drawn)
    for column, words in {
        "train_labelled": "labelled",
        "failed": "failed",
        "refused": "refused",
        "set_aside": "set aside",
    }.items():
        assert f"{table.loc['all', column]} {words}" in said
    assert f"{table.loc['all', 'no_slices']} without slices" in said
    cohorts = cohort_table(changed).frame.set_index("cohort")
    for name in cohorts.index:
        assert (
            cohorts.loc[name, ["found", "val", "test"]].tolist() == table.loc[name, ["found", "val", "test"]].tolist()
        )
        assert cohorts.loc[name, "labelled"] == table.loc[name, "train_labelled"]
        assert cohorts.loc[name, "train"] == table.loc[name, ["train_labelled", "train_unlabelled"]].sum()


def test_a_study_half_done_is_drawn_as_far_as_it_came(data):
    half = replace(data, splits=data.splits.iloc[:0], preprocessed=data.preprocessed.iloc[:20])
    with style.styled():
        drawn = " ".join(text.get_text() for text in flow_diagram(half).axes[0].texts)
    assert f"{len(data.manifest) - 20} not preprocessed yet" in drawn
    assert "patients used" not in drawn
    assert flow_diagram(replace(half, manifest=data.manifest.iloc[:0])) is None


def test_where_a_table_cannot_be_read_the_splits_tell_who_was_kept(data):
    frame = flow(replace(data, preprocessed=data.preprocessed.iloc[:0])).frame
    assert frame["used"].sum() == frame["kept"].sum() == len(data.splits)
    assert frame["again"].tolist() == [0, 0, 0]
    assert frame["waiting"].sum() == len(data.manifest) - len(data.splits) == 1


@pytest.mark.parametrize(("reason", "said"), REASONS.items())
def test_reasons_are_told_without_what_differs_between_patients(reason, said):
    assert short(reason) == said
