"""P10: `mmdino --help` beside `python -c pass`; the difference is what our imports cost."""

import subprocess
import sys

from goals import seconds_over


def test_p10_help(beside):
    beside(
        *("P10", "`mmdino --help`", "`python -c pass`"),
        lambda: run("-m", "mmdino", "--help"),
        lambda: run("-c", "pass"),
        seconds_over(0.3, guard=1.0),
    )


def run(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
