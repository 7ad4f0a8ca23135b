"""Markers that say what they are, and say the same as the tables."""

import re

import pytest

from mmdino.reporting.data import gather
from mmdino.reporting.drawing import write_figures
from mmdino.reporting.figures import style
from mmdino.reporting.figures.telling import tell
from mmdino.reporting.statistics import estimate
from mmdino.reporting.svg import inline
from mmdino.reporting.text import with_span
from results_factory import ARMS, write_study


def drawn(tmp_path, said):
    with style.styled():
        figure = style.canvas(2)
        (line,) = figure.subplots().plot([1, 2, 3], [1, 4, 9], "o-")
        tell(line, said)
        return inline(style.save(figure, tmp_path, "line", kinds=("svg",)), "A line")


def test_each_marker_says_its_words_as_text(tmp_path):
    svg = drawn(tmp_path, ["one", '<b>two</b> & "more"', "three"])
    titles = re.findall(r'<use [^>]*class="point"[^>]*><title>(.*?)</title>', svg)
    assert titles == ["one", "&lt;b&gt;two&lt;/b&gt; &amp; &#34;more&#34;", "three"]
    assert 'role="group"' in svg


@pytest.mark.parametrize("said", [["one", "two"], ["one"] * 4])
def test_nothing_is_said_where_the_words_are_of_other_markers(tmp_path, said):
    svg = drawn(tmp_path, said)
    assert "<title>" not in svg
    assert 'role="img"' in svg


def test_the_points_of_curves_say_what_the_tables_say(tmp_path):
    study, results = write_study(tmp_path, {name: ARMS[name] for name in ("mm-dinov2", "supervised-cnn")})
    data = gather(study, results)
    found = estimate(data)
    write_figures(data, found, kinds=("svg",))
    titles = {
        path.stem: re.findall("<title>(.*?)</title>", path.read_text(encoding="utf-8"))
        for path in (results / "figures").glob("*.svg")
    }
    told = [
        f"{data.named(c.arm).title}, {c.count} of 4 sequences ({c.protocol}): MCC {with_span(c.mcc)}"
        for c in found.by_count
    ]
    assert sorted(titles["by-count"]) == sorted(told)
    told = [
        f"{data.named(c.arm).title}, {100 * c.rate:.0f} % missing ({c.protocol}): MCC {with_span(c.mcc)}"
        for c in found.random
    ]
    assert sorted(titles["random-missing"]) == sorted(told)
    for name in ("one-missing", "selective", "calibration", "groups"):
        assert titles[name], name
