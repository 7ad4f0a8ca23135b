"""Charts that a reader asks: arms, protocols and measures are chosen, axes zoomed, values read. Vega-Lite draws them.

A chart is a specification (a dictionary, https://vega.github.io/vega-lite/docs) of the same estimates as its figure and
tables; the page holds the library once (``assets/vega``).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from mmdino.evaluation.compare import Estimate
from mmdino.reporting.data import StudyFiles
from mmdino.reporting.estimates import ONE_MISSING, Cell, CountCell, MainRow, RandomCell
from mmdino.reporting.figures import style
from mmdino.reporting.figures.cost import costs
from mmdino.reporting.figures.fractions import SHARES, curves
from mmdino.reporting.figures.missing import PROTOCOLS
from mmdino.reporting.results import called
from mmdino.reporting.text import SHOWN
from mmdino.tables import SEQUENCES

Chart = dict[str, Any]
AnyCell = TypeVar("AnyCell", Cell, CountCell, RandomCell)
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
ALL_ARMS = "all arms"
LESS_IS_BETTER = ("brier", "log_loss", "ece")
INK = {"labelColor": "currentColor", "titleColor": "currentColor", "titleFontWeight": "normal"}  # as the page's text
LINES = {f"{part}Color": "currentColor" for part in ("domain", "tick", "grid")}
CONFIG: Chart = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {**INK, **LINES, "gridOpacity": 0.15},
    "legend": {**INK, "labelLimit": 400, "symbolLimit": 0},
}
SCORE: Chart = {"type": "quantitative", "scale": {"zero": False}}
POINT: Chart = {"type": "point", "filled": True, "size": 70}
HANDLING = "The pointer reads values. Shift and the wheel zoom, dragging moves, a double click resets."
PICKING = " A click in the legend shows one arm alone, with Shift several."
SHAPES = {  # what Vega calls matplotlib's markers; of those that it has no name for the outline
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "p": "M0,-1L0.951,-0.309L0.588,0.809L-0.588,0.809L-0.951,-0.309Z",
    "h": "M0,-1L0.866,-0.5L0.866,0.5L0,1L-0.866,0.5L-0.866,-0.5Z",
}
WIDTH = 2  # of a line, in pixels
PICKED: Chart = {"name": "picked", "select": {"type": "point", "fields": ["arm"]}, "bind": "legend"}


def by_measure(data: StudyFiles, rows: Sequence[MainRow]) -> Chart | None:
    """Return every arm's value by a measure that is chosen; None where no arm has one."""
    values = [
        {**_estimate(data, row.arm, estimate), "measure": called(name), "rank": rank}
        for name in dict.fromkeys(name for row in rows for name in row.metrics)
        for rank, (row, estimate) in enumerate(_best_first(name, rows))
    ]
    if not values:
        return None
    arms = list(dict.fromkeys(row["arm"] for row in values))
    ranked = {"op": "sum", "field": "rank", "order": "ascending"}
    y = {"field": "arm", "type": "nominal", "sort": ranked, "title": None, "axis": {"labelLimit": 300}}
    spot = {"y": y, "x": {"field": "value", **SCORE, "title": _interval(values)}}
    ends = {"y": y, "x": {"field": "low", **SCORE}, "x2": {"field": "high"}}
    colour, shape, _ = _looks(data, arms, None)
    layers: list[Chart] = [
        {"mark": "rule", "encoding": {**ends, **colour}},
        {"mark": POINT, "params": [_zoom("x")], "encoding": {**spot, **colour, **shape, **_told(values)}},
    ]
    return _chart(values, layers, {"measure": "Measure"}) | {"height": 26 * len(arms)}


def _best_first(name: str, rows: Iterable[MainRow]) -> list[tuple[MainRow, Estimate]]:
    """Return the arms that have a value by a measure, those without a number last."""
    sign = 1 if name in LESS_IS_BETTER else -1
    found = [(row, row.metrics[name]) for row in rows if name in row.metrics]
    return sorted(found, key=lambda one: (not math.isfinite(one[1].value), sign * one[1].value))


def by_count(data: StudyFiles, cells: Sequence[CountCell]) -> Chart | None:
    """Return MCC by the number of sequences at hand."""
    values = [_of_protocol(data, cell) | {"sequences": cell.count} for cell in _transfer_first(cells)]
    axis = {"field": "sequences", "type": "ordinal", "title": "sequences at hand, mean over their sets"}
    return _curves(data, values, {**axis, "axis": {"labelAngle": 0}}, {"protocol": "Protocol"})


def one_missing(data: StudyFiles, cells: Sequence[Cell]) -> Chart | None:
    """Return MCC without each one of the sequences."""
    cases = {names: f"no {SHOWN[name]}" for name, names in ONE_MISSING.items()}
    values = [
        _of_protocol(data, cell) | {"missing": cases[cell.sequences]}
        for cell in _transfer_first(cells)
        if cell.sequences in cases
    ]
    order = [f"no {SHOWN[name]}" for name in SEQUENCES]
    axis = {"field": "missing", "type": "nominal", "sort": order, "title": None, "axis": {"labelAngle": 0}}
    return _curves(data, values, axis, {"protocol": "Protocol"}, line=False)


def random_missing(data: StudyFiles, cells: Sequence[RandomCell]) -> Chart | None:
    """Return MCC by the probability that a sequence is missing."""
    values = [_of_protocol(data, cell) | {"missing": cell.rate} for cell in _transfer_first(cells)]
    title = "probability that a sequence is missing"
    return _curves(data, values, _share("missing", title, values), {"protocol": "Protocol"})


def fractions(data: StudyFiles, rows: Sequence[MainRow]) -> Chart | None:
    """Return MCC by the share of labels, or of unlabelled patients, that training sees."""
    values = [
        {**_estimate(data, arm, mcc), "share": share, "fewer": words}
        for field, words in SHARES.items()
        for arm, curve in curves(data, rows, field).items()
        for share, mcc in curve
    ]
    return _curves(data, values, _share("share", "share", values), {"fewer": "Of what there is less"})


def by_cost(data: StudyFiles, rows: Sequence[MainRow]) -> Chart | None:
    """Return MCC by the CPU minutes of training a seed."""
    values = [
        {**_estimate(data, arm, mcc), "minutes": seconds / 60} for arm, seconds, mcc in costs(data, rows) if seconds > 0
    ]
    axis = {
        "field": "minutes",
        "type": "quantitative",
        "scale": {"type": "log"},
        "title": "CPU minutes of training, a seed",
    }
    return _curves(data, values, axis, {}, line=False)


def _estimate(data: StudyFiles, arm: str, found: Estimate) -> dict[str, Any]:
    numbers = {"value": found.value, "low": found.low, "high": found.high}
    finite = {name: number if math.isfinite(number) else None for name, number in numbers.items()}
    return {"arm": data.named(arm).label, **finite, "n": found.n, "seeds": found.runs}


def _of_protocol(data: StudyFiles, cell: Cell | CountCell | RandomCell) -> dict[str, Any]:
    return {**_estimate(data, cell.arm, cell.mcc), "protocol": PROTOCOLS[cell.protocol]}


def _interval(values: Sequence[Mapping[str, Any]]) -> str:
    return f"95 % interval over patients (n = {max(row['n'] for row in values)})"


def _transfer_first(cells: Sequence[AnyCell]) -> list[AnyCell]:
    return sorted(cells, key=lambda cell: list(PROTOCOLS).index(cell.protocol))


def _share(field: str, title: str, values: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    places = sorted({row[field] for row in values})
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "axis": {"format": ".0%", "values": places},
        "scale": {"padding": 15},
    }


def _curves(
    data: StudyFiles, values: list[dict[str, Any]], x: Chart, choices: Mapping[str, str], line: bool = True
) -> Chart | None:
    """Return MCC by ``x``, a colour an arm, of which one or some can be picked."""
    if not values:
        return None
    spot = {"x": x, "y": {"field": "value", **SCORE, "title": f"MCC, {_interval(values)}"}}
    ends = {"x": x, "y": {"field": "low", **SCORE}, "y2": {"field": "high"}}
    numeric = ("x", "y") if x["type"] == "quantitative" else ("y",)
    if x["type"] == "nominal":  # arms beside each other, not upon each other
        beside = {"xOffset": {"field": "arm"}}
        spot, ends = {**spot, **beside}, {**ends, **beside}
    arms = list(dict.fromkeys(row["arm"] for row in values))
    picked = {"and": [{"param": "picked"}, f"arm == '{ALL_ARMS}' || datum.arm == arm"]}
    colour, shape, dash = _looks(data, arms, {"title": None, "orient": "bottom", "direction": "vertical"})
    shared = {**colour, "opacity": {"condition": {"test": picked, "value": 1}, "value": 0.08}}
    lines = {"mark": {"type": "line", "strokeWidth": WIDTH}, "encoding": {**spot, **shared, **dash}}
    layers: list[Chart] = [
        {"mark": "rule", "encoding": {**ends, **shared}},
        *([lines] if line else []),
        {"mark": POINT, "params": [_zoom(*numeric), PICKED], "encoding": {**spot, **shared, **shape, **_told(values)}},
    ]
    return _chart(values, layers, choices, [_choice("arm", "Arm", [ALL_ARMS, *arms])]) | {
        "height": 320,
        "usermeta": {"note": HANDLING + PICKING},
    }


def _chart(
    values: list[dict[str, Any]], layers: list[Chart], choices: Mapping[str, str], params: Sequence[Chart] = ()
) -> Chart:
    """Return layers over ``values``, of which those of one value at a time are shown for each field of ``choices``."""
    options = {field: list(dict.fromkeys(row[field] for row in values)) for field in choices}
    return {
        "$schema": SCHEMA,
        "width": "container",
        "config": CONFIG,
        "data": {"values": values},
        "params": [*params, *(_choice(field, name, options[field]) for field, name in choices.items())],
        "transform": [{"filter": f"datum['{field}'] == {field}"} for field in choices],
        "layer": layers,
        "usermeta": {"note": HANDLING},
    }


def _zoom(*axes: str) -> Chart:
    """Return what zooms and moves axes; the wheel does so with Shift alone, since it is the page's."""
    select = {"type": "interval", "encodings": axes, "zoom": "wheel![event.shiftKey]"}
    return {"name": "zoom", "select": select, "bind": "scales"}


def _choice(name: str, label: str, options: Sequence[str]) -> Chart:
    return {"name": name, "value": options[0], "bind": {"input": "select", "options": options, "name": f"{label} "}}


def _looks(data: StudyFiles, arms: Sequence[str], legend: Chart | None) -> tuple[Chart, Chart, Chart]:
    """Return what gives each arm the colour, the shape and the dash that it has in the figures."""
    by_label = {arm.label: style.marks(data)[arm.name] for arm in data.arms}
    marks = [by_label[arm] for arm in arms]
    dashes = [[WIDTH * length for length in mark.pattern] or [1, 0] for mark in marks]
    ranges = {
        "color": [mark.colour for mark in marks],
        "shape": [SHAPES[mark.marker] for mark in marks],
        "strokeDash": dashes,
    }
    field = {"field": "arm", "type": "nominal", "legend": legend}
    colour, shape, dash = ({name: {**field, "scale": {"domain": arms, "range": of}}} for name, of in ranges.items())
    return colour, shape, dash


def _told(values: list[dict[str, Any]]) -> Chart:
    """Return what a point says under the pointer: its row, numbers with three digits."""
    called = {"low": "from", "high": "to"}
    rounded = ("value", *called)
    fields = [{"field": field, "title": called.get(field, field)} for field in values[0] if field != "rank"]
    return {"tooltip": [{**one, "format": ".3f"} if one["field"] in rounded else one for one in fields]}
