"""Where the numerical fixtures lie; tests over them skip, saying so, where the folder is absent."""

import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("MMDINO_FIXTURES", Path(__file__).parents[2].parent / "shared" / "fixtures"))


def fixture_files(pattern: str) -> list:
    """Return the fixture files of one kind as pytest parameters; one skipped parameter when there are none."""
    found = sorted(FOLDER.glob(pattern))
    if found:
        return found
    reason = f"no {pattern} in {FOLDER}; set MMDINO_FIXTURES to the folder of the numerical fixtures"
    return [pytest.param(Path(pattern), marks=pytest.mark.skip(reason=reason))]
