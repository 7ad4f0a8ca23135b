import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = "import sys; from pathlib import Path; from mmdino.cli.browser import open_page; print(open_page(Path(sys.argv[1])))"


@pytest.fixture
def opened(tmp_path):
    """A page, and a browser that writes down what it is asked to open."""
    page, browser, note = (tmp_path / name for name in ("a report.html", "browser", "note"))
    page.write_text("")
    browser.write_text(f'#!/bin/sh\necho "$1" > "{note}"\n')
    browser.chmod(0o755)

    def run(**display):
        hidden = {"DISPLAY", "WAYLAND_DISPLAY"}
        environment = {key: value for key, value in os.environ.items() if key not in hidden}
        environment |= {"BROWSER": f"{browser} %s", **display}
        command = [sys.executable, "-c", SCRIPT, str(page)]
        answer = subprocess.run(command, env=environment, text=True, capture_output=True, check=True)
        return page, answer.stdout.strip(), note.read_text().strip() if note.exists() else None

    return run


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there always is a display")
def test_a_page_opens_where_there_is_a_display_and_is_named_where_there_is_none(opened):
    page, said, asked = opened()
    assert said.startswith(f"{page} (there is no display here")
    assert asked is None
    page, said, asked = opened(DISPLAY=":0")
    assert said == str(page)
    assert asked == Path(page).as_uri()
