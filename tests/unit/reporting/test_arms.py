"""What is said of an arm wherever it stands: seeds that it lacks, other patients, another's answers, weights or title."""

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from matplotlib.text import Text

from htmltree import by_id, parse, words
from mmdino.reporting import drawing
from mmdino.reporting.captions import CAPTIONS
from mmdino.reporting.data import gather
from mmdino.reporting.figures import style
from mmdino.reporting.figures.cost import costs
from mmdino.reporting.figures.fractions import curves
from mmdino.reporting.report import all_tables, build_report
from mmdino.reporting.statistics import estimate
from mmdino.reporting.study import cost_table
from results_factory import ARMS, MadeArm, many_arms, write_study

MAIN = ARMS["mm-dinov2"]
COPY = replace(MAIN, title="The same again", group="ablation", trained_as="mm-dinov2")
ELSEWHERE = replace(MAIN, title="Tested elsewhere", group="ablation", data={"leave_out": "home"})


def gathered(tmp_path, seeds=(0,), gone=(), phantom=True, **arms):
    """Return a study of the reference arm and ``arms``; ``gone`` are runs without predictions."""
    made = {"mm-dinov2": MAIN} | {name.replace("_", "-"): arm for name, arm in arms.items()}
    study, results = write_study(tmp_path, made, seeds, phantom=phantom, bootstrap=100)
    for run in gone:
        (results / "runs" / run / "predictions.parquet").unlink()
    return gather(study, results)


def tables(data, found) -> dict:
    return {table.name: table for table in all_tables(data, found)}


def written(figure) -> set[str]:
    """Return every text of a figure."""
    return {text.get_text() for text in figure.findobj(Text)}


def captions(data, found) -> dict[str, str]:
    return {name: plan.caption for name, plan in drawing._plans(data, found).items()}


def test_an_arm_that_lacks_a_seed_says_so_in_every_table_and_figure(tmp_path):
    data = gathered(tmp_path, (0, 1, 2), ["radiomics/seed-1"], radiomics=ARMS["radiomics"])
    found, label = estimate(data), "Radiomics (2 of 3 seeds)"
    shown = tables(data, found)
    for name in (
        "main",
        "comparisons",
        "metrics",
        "readouts",
        "groups",
        "calibration",
        "selective",
        "mistakes",
        "missing-sequences",
        "random-missing",
    ):
        frame = shown[name].frame
        assert set(frame.loc[frame["experiment"] == "radiomics", "arm"]) == {label}
    drawing.write_figures(data, found, kinds=("svg",))
    for name in ("external-mcc", "missing-sequences", "by-count", "one-missing", "random-missing", "cost", "selective"):
        assert label in (data.out / f"figures/{name}.svg").read_text()
    for name in ("confusion", "calibration"):
        assert "2 of 3 seeds" in (data.out / f"figures/{name}.svg").read_text()


def test_an_arm_of_the_same_answers_is_no_comparison(tmp_path):
    rival = replace(MAIN, title="Another", group="ablation", skill=0.6)
    twin = replace(rival, title="Its twin", trained_as="mm-dinov2-other")
    data = gathered(
        tmp_path, mm_dinov2_copy=COPY, mm_dinov2_other=replace(rival, trained_as="mm-dinov2-other"), mm_dinov2_twin=twin
    )
    found = estimate(data)
    by_name = {row.arm: row for row in found.ablations}
    assert by_name["mm-dinov2-copy"].same_as == "mm-dinov2"
    assert by_name["mm-dinov2-twin"].same_as == "mm-dinov2-other"
    counted = by_name["mm-dinov2-other"].difference
    assert counted.p_holm == counted.p  # the only one
    shown = tables(data, found)
    for name in ("ablations", "comparisons"):
        assert "same predictions with all four sequences as MM-DINOv2" in shown[name].texts["md"]
        assert "same predictions with all four sequences as Another" in shown[name].texts["md"]
    said = captions(data, found)
    assert "The same again (same predictions with all four sequences as MM-DINOv2)" in said["ablations"]
    assert "MM-DINOv2 also stands for The same again" in said["selective"]


def test_a_left_out_cohort_is_not_called_the_external_test(tmp_path):
    data = gathered(tmp_path, mm_dinov2_elsewhere=ELSEWHERE)
    found = estimate(data)
    shown = tables(data, found)
    label = "Tested elsewhere (left-out cohort home)"
    assert label in set(shown["ablations"].frame["arm"])
    groups = shown["groups"].frame
    assert set(groups.loc[(groups["arm"] == label) & (groups["split"] == "test"), "place"]) == {"left-out cohort home"}
    assert set(groups.loc[groups["experiment"] == "mm-dinov2", "place"]) == {"external test", "validation"}
    assert "n = 0 external patients" in shown["ablations"].note  # the only arm of this table has none
    said = captions(data, found)
    for name in ("missing-sequences", "by-count", "groups", "calibration", "selective"):
        assert "In the table alone, since tested on a left-out cohort: Tested elsewhere." in said[name]
    drawing.write_figures(data, found, kinds=("svg",))
    assert "left-out cohort" in (data.out / "figures/confusion.svg").read_text()


def test_two_arms_of_one_title_bear_their_names(tmp_path):
    twin = replace(ARMS["radiomics"], title="Hand-made features")
    data = gathered(tmp_path, radiomics=twin, radiomics_more=twin)
    page = parse(build_report(data.study, data.results).read_text(encoding="utf-8"))
    for name in ("radiomics", "radiomics-more"):
        assert f"Hand-made features ({name})" in words(by_id(page, "table-main"))
        assert f"Hand-made features ({name})" in words(by_id(page, "settings"))


def test_curves_by_share_hold_all_else_alike(tmp_path):
    fewer = {
        "mm_dinov2_labels": replace(MAIN, group="ablation", data={"labelled_fraction": 0.05}),
        "mm_dinov2_none": replace(MAIN, group="ablation", data={"unlabelled_fraction": 0.0}),
    }
    data = gathered(tmp_path / "without", gone=["mm-dinov2/seed-0"], **fewer)
    rows = [*(found := estimate(data)).main, *found.ablations]
    assert curves(data, rows, "labelled_fraction") == curves(data, rows, "unlabelled_fraction") == {}
    data = gathered(tmp_path / "with", **fewer)
    rows = [*(found := estimate(data)).main, *found.ablations]
    assert [share for share, _ in curves(data, rows, "unlabelled_fraction")["mm-dinov2"]] == [0.0, 1.0]


def test_shares_of_labels_are_legible_and_arms_stand_beside_each_other(tmp_path):
    few = {
        f"{name.replace('-', '_')}_{share}": replace(
            ARMS[name], group="ablation", data={"labelled_fraction": share / 100}
        )
        for name in ("mm-dinov2", "supervised-cnn", "radiomics")
        for share in (5, 10, 25, 50)
    }
    data = gathered(tmp_path, supervised_cnn=ARMS["supervised-cnn"], radiomics=ARMS["radiomics"], **few)
    with style.styled():
        figure = drawing._plans(data, estimate(data))["fractions"].draw()
        figure.draw_without_rendering()
    (axes,) = figure.axes
    extents = [tick.label1.get_window_extent() for tick in axes.xaxis.get_major_ticks()]
    assert len(extents) == 5
    assert all(left.x1 < right.x0 for left, right in pairwise(extents))
    assert not axes.xaxis.get_minor_ticks()
    first = [container.lines[0].get_xdata()[0] for container in axes.containers]
    assert sorted(set(first)) == first
    assert len(first) == 3


def test_figures_show_the_arms_that_were_run_and_say_what_they_leave_out(tmp_path):
    data = gathered(tmp_path, **{f"radiomics_{place}": replace(ARMS["radiomics"], title="") for place in range(14)})
    data.study.study.experiments[:] = ["mm-dinov2"]
    data.study.study.more_experiments[:] = [f"radiomics-{place}" for place in range(14)]
    said = captions(data, estimate(data))
    for name in ("by-count", "selective", "calibration"):
        assert "Of 15 arms 8 are drawn: the reference, the study's default arms, then those with" in said[name]
    assert "Of 15" not in said["missing-sequences"]


def test_an_adopted_run_stands_at_what_its_weights_cost(tmp_path):
    data = gathered(tmp_path, (0, 1), mm_dinov2_copy=COPY)
    found = estimate(data)
    assert data.training_seconds(data.named("mm-dinov2-copy")) == [20.0 + MAIN.steps] * 2
    drawn = {arm: seconds for arm, seconds, _ in costs(data, [*found.main, *found.ablations])}
    assert drawn["mm-dinov2-copy"] == drawn["mm-dinov2"]
    frame = tables(data, found)["ablations"].frame.set_index("experiment")
    assert frame.loc["mm-dinov2-copy", "cpu_seconds"] == 20.0 + MAIN.steps
    assert cost_table(data).frame.set_index("experiment").loc["mm-dinov2-copy", "cpu"] == 0


def test_the_cost_of_runs_some_of_which_are_adopted_is_that_of_the_others(tmp_path):
    data = gathered(tmp_path, (0, 1), mm_dinov2_copy=COPY)
    path = data.results / "runs/mm-dinov2-copy/seed-1/run.json"
    own = {key: value for key, value in json.loads(path.read_text()).items() if key != "trained_as"}
    path.write_text(json.dumps(own | {"cpu_seconds": 50.0, "wall_seconds": 60.0}))
    line = cost_table(gather(data.study, data.results)).frame.set_index("experiment").loc["mm-dinov2-copy"]
    assert line["cpu"] == 50
    assert "1 of 2 seeds have the weights of mm-dinov2" in line["detail"]


def test_no_two_arms_look_alike(tmp_path):
    marks = list(style.marks(many_arms(tmp_path, 85)[0]).values())
    assert len({(mark.colour, mark.marker) for mark in marks[:50]}) == 50
    assert len({(mark.colour, mark.dash) for mark in marks}) == 85


@pytest.mark.parametrize("phantom", [True, False])
def test_only_a_study_with_an_oracle_speaks_of_one(tmp_path, phantom):
    data = gathered(tmp_path, phantom=phantom)
    said = captions(data, estimate(data))
    for name in ("external-mcc", "missing-sequences", "by-count", "one-missing"):
        assert ("sign oracle" in said[name]) is phantom
    assert not any("oracle" in caption for caption in CAPTIONS.values())


def test_what_is_not_there_is_asked_for_by_targets_that_the_study_has(tmp_path):
    data = gathered(tmp_path / "none", radiomics=MadeArm(0.7, "radiomics"))
    text = words(by_id(parse(build_report(data.study, data.results).read_text(encoding="utf-8")), "ablations"))
    assert "The study has no ablation." in text
    assert "The study has no experiment with fewer labels or fewer unlabelled patients." in text
    few = MadeArm(None, "mm-dinov2", group="ablation", data={"labelled_fraction": 0.1})
    data = gathered(tmp_path / "few", few=few)
    text = words(by_id(parse(build_report(data.study, data.results).read_text(encoding="utf-8")), "ablations"))
    assert "beside one with all of them yet: run .venv/bin/snakemake --profile profiles/local few" in text


def test_the_default_arms_are_drawn_before_better_ones_on_request(tmp_path):
    weak = replace(ARMS["radiomics"], skill=0.1, title="Weak")
    better = {f"radiomics_{place}": replace(ARMS["radiomics"], title="") for place in range(9)}
    data = gathered(tmp_path, weak=weak, **better)
    data.study.study.experiments[:] = ["mm-dinov2", "weak"]
    data.study.study.more_experiments[:] = [f"radiomics-{place}" for place in range(9)]
    figure = drawing._plans(data, estimate(data))["by-count"].draw()
    assert "Weak" in written(figure)


def test_a_baseline_is_drawn_before_any_ablation(tmp_path):
    weak = MadeArm(0.1, "supervised-vit", title="Weak baseline", steps=100)
    alike = {f"mends_{place}": replace(MAIN, title=f"Ablation {place}", group="ablation") for place in range(12)}
    data = gathered(tmp_path, **alike, weak=weak)
    data.study.study.experiments[:] = ["mm-dinov2"]
    data.study.study.more_experiments[:] = [f"mends-{place}" for place in range(12)] + ["weak"]
    plans = drawing._plans(data, estimate(data))
    for name in ("by-count", "one-missing", "random-missing", "groups", "calibration", "selective", "training"):
        assert any(text.startswith("Weak baseline") for text in written(plans[name].draw())), name
        assert "Of 14 arms 8 are drawn" in plans[name].caption


def test_confusion_draws_the_arms_that_the_other_figures_draw(tmp_path):
    alike = {f"mends_{place:02}": replace(MAIN, title=f"Ablation {place}", group="ablation") for place in range(25)}
    data = gathered(tmp_path, mm_dinov2_copy=COPY, **alike, weak=replace(ARMS["radiomics"], title="Weak"))
    plan = drawing._plans(data, estimate(data))["confusion"]
    titles = {text.splitlines()[0] for text in written(plan.draw()) if text}
    assert {"MM-DINOv2", "Weak"} <= titles
    assert "The same again" not in titles
    assert "Of 27 arms 24 are drawn: the reference" in plan.caption
    assert "MM-DINOv2 also stands for The same again" in plan.caption


def test_the_reference_lies_upon_other_training_curves_and_a_bound_is_named_once(tmp_path):
    alike = {f"mends_{place}": replace(MAIN, title="", group="ablation") for place in range(3)}
    data = gathered(tmp_path, **alike)
    figure = drawing._plans(data, estimate(data))["training"].draw()
    entropy = figure.axes[-1]
    assert [text.get_text() for text in entropy.texts] == ["ln 3"]
    for axes in figure.axes:
        top = max(axes.lines, key=lambda line: line.get_zorder())
        assert top.get_color() == style.REFERENCE


def test_ablations_on_request_take_no_colour_from_a_baseline(tmp_path):
    ablations = {f"mends_{place}": replace(MAIN, group="ablation", skill=None) for place in range(27)}
    data = gathered(tmp_path, radiomics=ARMS["radiomics"], **ablations, late=ARMS["starter-frozen"])
    data.study.study.experiments[:] = ["mm-dinov2", "radiomics"]
    data.study.study.more_experiments[:] = [arm.name for arm in data.arms[2:]]
    found = style.marks(data)
    drawn = [found[name] for name in ("mm-dinov2", "radiomics", "late")]
    assert len({mark.colour for mark in drawn}) == len(drawn)  # arms between them that are drawn last take no colour
