"""Showing a page in the browser, where there is one."""

import os
import sys
import webbrowser
from pathlib import Path


def open_page(path: Path) -> str:
    """Open a page in the browser; return what to tell whoever waits for it: its path, and why none opened."""
    if not _has_display():
        return f"{path} (there is no display here: copy that one file to where there is one, and open it)"
    opened = webbrowser.open(path.resolve().as_uri())
    return str(path) if opened else f"{path} (no browser could be started: open that file with one)"


def _has_display() -> bool:
    """Whether a window can appear; without one, webbrowser would start a text browser in the terminal."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
