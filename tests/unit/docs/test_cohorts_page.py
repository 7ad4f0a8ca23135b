"""What docs/cohorts.md says the check prints is what it prints."""

import re
from pathlib import Path

from cohorts.trees import TREES
from mmdino.cohorts.common.check import check_folders

PAGE = Path(__file__).parents[3] / "docs" / "cohorts.md"
PATIENTS = 6


def printed(folder: Path) -> str:
    """Return the check of every cohort's tree below ``data``; the working folder must be ``folder``."""
    for name in sorted(set(TREES) - {"bids"}):
        TREES[name](folder / "data" / name, PATIENTS, 0)
    return "\n\n".join(check_folders(sorted(Path("data").iterdir())))


def test_the_page_shows_what_the_check_prints(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shown = re.search(r"```text\n(data/brats2021: .*?)\n```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert shown is not None
    assert shown[1] == printed(tmp_path)
