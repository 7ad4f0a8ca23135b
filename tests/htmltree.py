"""HTML as an ElementTree, strict: a tag that is never closed, or closed twice, is an error."""

from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder

VOID = {"meta", "link", "img", "br", "input", "hr"}


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tree, self.open = TreeBuilder(), []

    def handle_starttag(self, tag, attrs):
        self.tree.start(tag, {name: value or "" for name, value in attrs})
        self.open.append(tag)
        if tag in VOID:
            self.handle_endtag(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing, line {self.getpos()[0]}"
        self.tree.end(tag)

    def handle_data(self, data):
        if self.open:
            self.tree.data(data)


def parse(text: str) -> Element:
    """Return the <html> element."""
    builder = _Builder()
    builder.feed(text)
    assert not builder.open, f"never closed: {builder.open}"
    return builder.tree.close()


def words(element: Element) -> str:
    """Return an element's text, white space made single."""
    return " ".join("".join(element.itertext()).replace("\u00a0", " ").split())


def by_id(tree: Element, name: str) -> Element:
    """Return the element with an id."""
    return next(element for element in tree.iter() if element.get("id") == name)
