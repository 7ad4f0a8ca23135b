"""The key of a piece of the package's code, by which the workflow's rules run again."""

import os
import subprocess
import sys

import pytest

from mmdino.config import environment
from mmdino.config.environment import code_key

CODE = """
def total(values, start=0):
    found = start
    for value in values:
        if value in {"a", "b", "c"}:
            continue
        found += value
    return found
"""


@pytest.fixture
def key(tmp_path, monkeypatch):
    """Return the key of a package that holds one file."""
    monkeypatch.setattr(environment, "PACKAGE", tmp_path)

    def of(code: str, name: str = "part/sum.py") -> str:
        (tmp_path / "part").mkdir(exist_ok=True)
        for old in (tmp_path / "part").iterdir():
            old.unlink()
        (tmp_path / name).write_text(code)
        code_key.cache_clear()
        return code_key("part")

    return of


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("found = start", "found = start  # from there"),
        ("    return", "\n\n    # at last\n    return"),
        ("(values, start=0)", "(\n    values,\n    start=0,\n)"),
    ],
)
def test_comments_and_layout_do_not_count(key, old, new):
    assert key(CODE.replace(old, new)) == key(CODE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("found += value", "found -= value"),
        ("start=0", "start=1"),
        ("start=0", "*, start=0"),
        ('"a", "b"', '"a", "d"'),
        ("continue", "break"),
        ("total", "sum_of"),
    ],
)
def test_what_code_does_counts(key, old, new):
    assert key(CODE.replace(old, new)) != key(CODE)


def test_a_files_name_and_other_files_bytes_count(key):
    assert key(CODE, "part/other.py") != key(CODE)
    assert key("<p> </p>", "part/page.html") != key("<p></p>", "part/page.html")


def test_the_key_is_the_same_in_every_process():
    code = "from mmdino.config.environment import code_key; print(code_key('reporting'))"
    keys = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(keys) == 1
    assert keys != {""}
