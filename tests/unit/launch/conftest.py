"""A stand-in for `squeue`, for tests without a SLURM."""

import os

import pytest

SQUEUE = """#!/bin/sh
echo asked >> "{log}"
{said}
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Put a squeue on PATH that says what it is told to, and returns how often it was asked."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    log = tmp_path / "asked"

    def says(said):
        path = tmp_path / "bin" / "squeue"
        path.write_text(SQUEUE.format(log=log, said=said))
        path.chmod(0o755)
        log.write_text("")
        return lambda: len(log.read_text().splitlines())

    return says
