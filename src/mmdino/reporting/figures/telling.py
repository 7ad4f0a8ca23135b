"""Markers that say what they are: the words lie in the SVG, and the page shows them under the pointer and by keyboard."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from weakref import WeakKeyDictionary

from markupsafe import escape
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

_SAID: WeakKeyDictionary[Line2D, list[str]] = WeakKeyDictionary()


def tell(line: Line2D, said: Sequence[str]) -> None:
    """Have each marker of a line say something, in the order in which they are drawn."""
    _SAID[line] = list(said)


def named(figure: Figure) -> dict[str, list[str]]:
    """Give each line of a figure that says something a name, which its SVG will bear; return what they say by name."""
    lines = figure.findobj(lambda artist: isinstance(artist, Line2D) and artist in _SAID)
    for number, line in enumerate(lines):
        line.set_gid(f"told-{number}")
    return {str(line.get_gid()): _SAID[line] for line in lines if isinstance(line, Line2D)}


def titled(svg: str, said: Mapping[str, Sequence[str]]) -> str:
    """Return an SVG in which each marker of the named lines has its words as a title, none where their numbers differ."""
    for name, texts in said.items():
        group = re.search(rf'<g id="{name}">.*?</g>', svg, flags=re.DOTALL)
        if group is not None and group[0].count("<use ") == len(texts):
            told = re.sub(r"<use ([^>]*)/>", partial(_with_title, iter(texts)), group[0])
            svg = svg[: group.start()] + told + svg[group.end() :]
    return svg


def _with_title(texts: Iterator[str], use: re.Match[str]) -> str:
    return f"<use {use[1]}><title>{escape(next(texts))}</title></use>"
