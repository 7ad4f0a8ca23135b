"""The report of a study of 300 arms: it is built in bounded time and size, can be read, and says what it leaves out."""

import re
import time
from dataclasses import replace

import pandas as pd
import pytest

from htmltree import by_id, parse, words
from mmdino.reporting.drawing import _plans, write_figures
from mmdino.reporting.report import write_page, write_tables
from mmdino.reporting.sections import SECTIONS
from mmdino.reporting.tables import MOST_ROWS
from results_factory import many_arms

ARMS = 300


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    data, found = many_arms(tmp_path_factory.mktemp("many"), ARMS)
    start = time.process_time()
    write_tables(data, found)
    write_figures(data, found, kinds=("svg",))
    page = write_page(data, found)
    return parse(page.read_text(encoding="utf-8")), page, time.process_time() - start


def test_it_is_built_in_bounded_time_and_size(many):
    _, page, seconds = many
    assert seconds < 90  # some 20 s on an idle core
    assert page.stat().st_size < 15e6


def test_all_arms_stand_in_the_tables_and_the_page_says_where_it_stops(many):
    tree, page, _ = many
    assert len(by_id(tree, "table-main").findall("tbody/tr")) == ARMS + 2  # with ceiling and floor
    cut = []
    for name in (name for section in SECTIONS for name in section.tables):
        table = next((element for element in tree.iter("table") if element.get("id") == f"table-{name}"), None)
        rows = len(pd.read_csv(page.parent / f"tables/{name}.tsv", sep="\t"))
        if table is not None:
            assert len(table.findall("tbody/tr")) == min(rows, MOST_ROWS)
        if rows > MOST_ROWS:
            cut.append(name)
            assert f"The first {MOST_ROWS:,} of {rows:,} rows; all are in tables/{name}.tsv" in words(tree)
    assert {"metrics", "missing-sequences"} <= set(cut)


def test_figures_draw_the_reference_and_the_best_and_say_so(many):
    tree, page, _ = many
    for path in (page.parent / "figures").glob("*.svg"):
        height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', path.read_text())[1])
        assert height < 72 * 15, path.name  # inches
    drawn = words(by_id(tree, "figure-external-mcc"))
    assert (
        "Of 300 arms 24 are drawn: the reference, the study's default arms, then those with the highest MCC, "
        "ablations last; the tables have all." in drawn
    )
    assert "MM-DINOv2" in drawn
    assert "Arm 000" in drawn
    assert "Arm 250" not in drawn
    assert "Of 300 arms 8 are drawn" in words(by_id(tree, "figure-by-count"))


def test_a_sentence_names_a_few_and_counts_the_others(many):
    tree, _, _ = many
    assert "298 arms, with what runs each" in words(by_id(tree, "main"))
    assert max(len(words(claim)) for claim in by_id(tree, "answer").iter("li")) < 3000


@pytest.mark.parametrize("number", [40, 120])
def test_the_forest_has_every_difference_or_where_they_are_too_many_the_largest(tmp_path, number):
    data, found = many_arms(tmp_path, number)
    rows = [row for row in found.main if row.difference]
    rows = [
        replace(row, difference=replace(row.difference, value=-place / number)) for place, row in enumerate(rows)
    ]  # the worst stands last
    plan = _plans(data, replace(found, ablations=rows))["ablations"]
    drawn = {tick.get_text() for tick in plan.draw().axes[0].get_yticklabels()}
    assert f"Arm {number - 3:03d}" in drawn
    if number == 40:
        assert len(drawn) == number - 1
        assert "are drawn" not in plan.caption
    else:
        assert len(drawn) == 80
        assert "Arm 000" not in drawn
        assert "Of 119 arms 80 are drawn: those that differ most from the reference" in plan.caption
