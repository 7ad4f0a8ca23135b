"""Charts that are asked: the numbers of the tables, as text whatever they are called, and none where there are none."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from htmltree import parse
from mmdino.evaluation.subsets import ALL
from mmdino.reporting.charts import ALL_ARMS
from mmdino.reporting.figures.missing import PROTOCOLS
from mmdino.reporting.report import build_report
from mmdino.reporting.results import called
from results_factory import ARMS, write_study

TITLE = "</script><script>alert(1)</script> 'x' \\ $a$ ‮אב"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    study, results = write_study(tmp_path_factory.mktemp("charts"), seeds=(0, 1))
    return charts(study, results), results


def charts(study, results) -> dict[str, dict]:
    """Return the charts of a study's page by their figures' names."""
    page = parse(build_report(study, results).read_text(encoding="utf-8"))
    figures = {element.get("id"): element.find(".//script") for element in page.iter("figure") if element.get("id")}
    folds = [element for element in page.iter("details") if element.get("class") == "chart"]
    assert len(folds) == sum(script is not None for script in figures.values())
    return {
        name.removeprefix("figure-"): json.loads("".join(script.itertext()))
        for name, script in figures.items()
        if script is not None
    }


def same(charted: pd.DataFrame, kept: pd.DataFrame, column: str) -> bool:
    """Whether values and intervals by row are those of a table, which keeps six digits."""
    assert charted.index.sort_values().equals(kept.index.sort_values())
    mine = charted[["value", "low", "high"]].sort_index().to_numpy(float)
    theirs = kept[[column, f"{column}_low", f"{column}_high"]].sort_index().to_numpy(float)
    return np.allclose(mine, theirs, rtol=1e-5, atol=1e-9, equal_nan=True)


def test_every_measure_is_that_of_its_table(whole):
    found, results = whole
    kept = pd.read_csv(results / "tables/metrics.tsv", sep="\t")
    kept = kept.assign(measure=kept["metric"].map(called)).set_index(["arm", "measure"])
    assert same(pd.DataFrame(found["external-mcc"]["data"]["values"]).set_index(["arm", "measure"]), kept, "value")


def test_every_value_at_random_missing_is_that_of_its_table(whole):
    found, results = whole
    kept = pd.read_csv(results / "tables/random-missing.tsv", sep="\t")
    kept = kept.assign(protocol=kept["protocol"].map(PROTOCOLS)).set_index(["arm", "protocol", "rate"])
    charted = pd.DataFrame(found["random-missing"]["data"]["values"]).rename(columns={"missing": "rate"})
    assert same(charted.set_index(["arm", "protocol", "rate"]), kept, "mcc")


def test_a_choice_offers_what_there_is_and_each_point_is_reachable_by_one(whole):
    for chart in whole[0].values():
        for choice in chart["params"]:
            offered = set(choice["bind"]["options"]) - {ALL_ARMS}
            assert offered == {row[choice["name"]] for row in chart["data"]["values"]}
            assert choice["value"] in choice["bind"]["options"]


def test_all_but_each_sequence_once(whole):
    cases = {row["missing"] for row in whole[0]["one-missing"]["data"]["values"]}
    assert len(cases) == len(ALL.split("+"))


def encoded(chart, layer: int, channel: str) -> dict:
    """Return a channel's scale as a dictionary by arm."""
    scale = chart["layer"][layer]["encoding"][channel]["scale"]
    return dict(zip(scale["domain"], map(str, scale["range"]), strict=True))


def test_arms_of_one_colour_have_another_dash_and_another_shape(tmp_path):
    skills = {f"radiomics-{place}": 0.9 if place in (0, 7) else 0.3 for place in range(10)}
    arms = {name: replace(ARMS["radiomics"], skill=skill, title=name) for name, skill in skills.items()}
    chart = charts(*write_study(tmp_path, {"mm-dinov2": ARMS["mm-dinov2"]} | arms, (0,)))["by-count"]
    rule, line, point = (encoded(chart, layer, "color") for layer in range(3))
    assert rule == line == point
    assert point["radiomics-0"] == point["radiomics-7"]
    for layer, channel in ((1, "strokeDash"), (2, "shape")):
        look = encoded(chart, layer, channel)
        assert look["radiomics-0"] != look["radiomics-7"]
    assert "strokeDash" not in chart["layer"][0]["encoding"]  # an interval is a whole line


def test_the_best_arm_by_a_measure_stands_on_top(whole):
    values = pd.DataFrame(whole[0]["external-mcc"]["data"]["values"])
    assert whole[0]["external-mcc"]["layer"][1]["encoding"]["y"]["sort"] == {
        "op": "sum",
        "field": "rank",
        "order": "ascending",
    }
    for measure, rows in values.groupby("measure"):
        down = measure not in ("Brier", "Log-loss", "ECE")
        shown = list(rows.sort_values("rank")["value"])
        assert shown == sorted(shown, reverse=down), measure


def test_a_title_with_markup_stays_a_title(tmp_path):
    found = charts(*write_study(tmp_path, {"mm-dinov2": replace(ARMS["mm-dinov2"], title=TITLE)}, (0,)))
    assert {row["arm"] for row in found["by-count"]["data"]["values"]} == {TITLE}
    assert found["by-count"]["layer"][0]["encoding"]["color"]["scale"]["domain"] == [TITLE]


def test_a_study_without_predictions_carries_neither_charts_nor_their_library(tmp_path):
    study, results = write_study(tmp_path, {"mm-dinov2": replace(ARMS["mm-dinov2"], skill=None)}, (0,))
    assert charts(study, results) == {}
    assert (results / "report.html").stat().st_size < 700_000
