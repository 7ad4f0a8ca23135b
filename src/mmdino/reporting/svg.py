"""A matplotlib SVG as a part of the page: inks follow light and dark mode, names never clash, it has a label."""

import re
from pathlib import Path

from markupsafe import Markup, escape

from mmdino.reporting.figures.style import INK, LINE, MUTED, PAPER

INKS = {INK: "var(--ink)", MUTED: "var(--muted)", LINE: "var(--line)", PAPER: "var(--paper)"}
POINT = 'class="point" role="img" tabindex="-1"'


def inline(path: Path, label: str) -> Markup:
    """Return the SVG's element, in which markers with a title are points for the page's script. All text is escaped.

    Args:
        path: as :func:`style.save` wrote it.
        label: what the figure shows, in words.
    """
    svg = path.read_text(encoding="utf-8")
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, count=1, flags=re.DOTALL)
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()  # type: ignore[union-attr]
    name = re.sub(r"\W+", "-", path.stem)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    for ink, variable in INKS.items():
        svg = svg.replace(ink, variable)
    svg = re.sub(r"<use ([^>]*)><title>", rf"<use \1 {POINT}><title>", svg)
    role = "group" if POINT in svg else "img"  # what is a picture to a screen reader has nothing inside
    head = f'<svg viewBox="0 0 {width} {height}" role="{role}" aria-label="{escape(label)}" style="--wide: {width}"'
    head += ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return Markup(head + svg[svg.index(">") + 1 :])
