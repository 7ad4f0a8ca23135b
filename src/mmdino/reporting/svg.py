"""A matplotlib SVG as a part of the page: inks follow light and dark mode, names never clash, it has a label."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup, escape

from mmdino.reporting.figures.style import INK, LINE, MUTED, PAPER

INKS = {INK: "var(--ink)", MUTED: "var(--muted)", LINE: "var(--line)", PAPER: "var(--paper)"}
POINT = 'class="point" role="img" tabindex="-1"'


def inline(path: Path, label: str, points: Mapping[str, Sequence[str]] | None = None) -> Markup:
    """Return the SVG's element. Matplotlib has escaped all text in it.

    Args:
        path: as :func:`style.save` wrote it.
        label: what the figure shows, in words.
        points: by an artist's gid, what is said of each of its markers, in the order in which they were drawn.
    """
    svg = path.read_text(encoding="utf-8")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()  # type: ignore[union-attr]
    name = re.sub(r"\W+", "-", path.stem)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for ink, variable in INKS.items():
        svg = svg.replace(ink, variable)
    for gid, said in (points or {}).items():
        svg = _told(svg, f"{name}-{gid}", said)
    role = "group" if POINT in svg else "img"  # what is a picture to a screen reader has nothing inside
    head = f'<svg viewBox="0 0 {width} {height}" role="{role}" aria-label="{escape(label)}" style="--wide: {width}"'
    head += ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return Markup(head + svg[svg.index(">") + 1 :])


def _told(svg: str, name: str, said: Sequence[str]) -> str:
    """Let each marker of a group say who it is; nothing is said where the picture has another number of them."""
    group = re.search(rf'<g id="{re.escape(name)}">.*?</g>', svg, flags=re.DOTALL)
    if group is None or group[0].count("<use ") != len(said):
        return svg
    texts = iter(said)
    told = re.sub(
        r"<use ([^>]*)/>",
        lambda use: f"<use {use[1]} {POINT}><title>{escape(next(texts))}</title></use>",
        group[0],
    )
    return svg[: group.start()] + told + svg[group.end() :]
