"""Who is in the study: sequences at hand by class, copies, what quality control measured; counted as the files say."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from htmltree import parse, words
from mmdino.reporting.data import gather
from mmdino.reporting.figures import style
from mmdino.reporting.figures.quality import FLAGGED, quality_distributions
from mmdino.reporting.people import leakage_said, leakage_table, sequence_table
from mmdino.reporting.quality import MEASURES, flagged_table, quality_table
from mmdino.reporting.svg import inline
from mmdino.tables import LEAKAGE, SEQUENCES, write_table
from results_factory import MadeArm, write_study


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return gather(*write_study(tmp_path_factory.mktemp("people"), {"mm-dinov2": MadeArm(None, "mm-dinov2")}, test=60))


def measured(data):
    """Give everybody values inside the thresholds, but one brain of home, which is cut and small, and left out."""
    rng = np.random.default_rng(0)
    rows = data.preprocessed.copy()
    for name in ("rough_dice", "atlas_dice"):
        rows[name] = rng.uniform(0.9, 1, len(rows))
    rows["similarity_z"], rows["sequence_margin"] = rng.normal(0, 0.5, len(rows)), 0.2
    rows["flat_end"], rows["looks_like"] = 0.1, "t1=t1 t1c=t1c t2=t2 flair=flair"
    place = rows.index[rows["cohort"] == "home"][0]
    rows.loc[place, "brain_ml"] = 512.0
    rows.loc[place, ["flags", "status", "reason"]] = ["brain of 512 ml", "excluded", "quality control: brain of 512 ml"]
    return replace(data, preprocessed=rows), rows.loc[place, "subject"]


def test_sequences_are_counted_by_cohort_and_class(data):
    rows = data.preprocessed.copy()
    rows.loc[rows["subject"].isin(["sub-0041", "sub-0042"]), ["t1", "flair"]] = ""
    frame = sequence_table(replace(data, preprocessed=rows)).frame
    assert frame["patients"].sum() == len(data.used)
    external = frame[frame["cohort"] == "external"]
    assert external["patients"].sum() - external["flair"].sum() == 2
    assert (external["t1c"] == external["patients"]).all()
    assert (frame["whole"] <= frame[list(SEQUENCES)].min(axis=1)).all()
    labels = data.splits.set_index("subject").loc[["sub-0041", "sub-0042"], "label"]
    for label, n in labels.value_counts().items():
        assert external.set_index("label").loc[label, "others"] == f"t1c+t2: {n}"


def test_the_audit_is_told_in_a_sentence_and_counted(data, tmp_path):
    assert "is off" in leakage_said(data)
    assert leakage_table(data).frame.empty
    pairs = [("home", f"sub-000{n}", "external", f"sub-005{n}", "similarity", 8.0 + n, 0.4, "join") for n in range(3)]
    pairs += [("home", "sub-0007", "home", "sub-0008", "file+voxels", None, None, "review")]
    write_table(LEAKAGE, pd.DataFrame(pairs, columns=list(LEAKAGE.columns)), tmp_path / "leakage.tsv")
    audited = replace(data, leakage=gather(data.study, tmp_path).leakage)
    table = leakage_table(audited)
    assert "4 suspected pairs (3 join, 1 review)" in leakage_said(audited)
    assert [[cell["text"] for cell in row["cells"]] for row in table.rows] == [
        ["home", "file, voxels", "review", "1", "–"],
        ["home and external", "similarity", "join", "3", "10.0"],
    ]


def test_who_is_flagged_is_named_counted_and_drawn_beyond_the_threshold(data):
    changed, subject = measured(data)
    quality = quality_table(changed).frame.set_index("cohort")
    assert quality.loc["home", ["judged", "flagged", "refused"]].tolist() == [40, 1, 1]
    assert quality["judged"].sum() == (changed.preprocessed["status"] != "failed").sum()
    flagged = flagged_table(changed)
    assert [cell["text"] for cell in flagged.rows[0]["cells"]][:6] == [
        subject,
        "home",
        "brain of 512 ml",
        "no",
        "",
        "512",
    ]
    with style.styled():
        panels = [axes for axes in quality_distributions(changed).axes if axes.get_visible()]
    titles = [measure.label for measure in MEASURES if changed.preprocessed[measure.column].notna().any()]
    assert [axes.get_title(loc="left").split("\n")[0] for axes in panels] == titles
    drawn = [line.get_xdata() for axes in panels for line in axes.lines if line.get_marker() == "D"]
    assert np.concatenate(drawn).tolist() == [512.0]
    limits = {
        line.get_xdata()[0] for line in panels[0].lines if line.get_color() == FLAGGED and line.get_linestyle() == "--"
    }
    assert limits == set(changed.study.study.qc.brain_ml)


def test_a_flagged_point_says_who_it_is_and_its_name_is_text(data, tmp_path):
    changed, subject = measured(data)
    hostile = "sub-<script>alert(1)</script>&\"x'"
    changed = replace(changed, preprocessed=changed.preprocessed.replace({"subject": {subject: hostile}}))
    with style.styled():
        path = style.save(quality_distributions(changed), tmp_path, "quality", kinds=())
    drawn = inline(path, "Quality")
    points = [element for element in parse(drawn).iter("use") if element.get("class") == "point"]
    said = f"{hostile}, preop (home). Brain volume, ml: 512. Flagged: brain of 512 ml."
    assert [words(point) for point in points] == [said]
    assert "<script>" not in drawn
    assert 'role="group"' in drawn  # a screen reader looks for nothing inside a picture


def test_a_study_without_measures_has_no_picture_of_them(data):
    assert quality_distributions(replace(data, preprocessed=data.preprocessed.assign(brain_ml=np.nan))) is None
    nobody = replace(data, preprocessed=data.preprocessed.iloc[:0])
    assert quality_table(nobody).frame["judged"].tolist() == [0, 0, 0]
    assert flagged_table(nobody).rows == []
