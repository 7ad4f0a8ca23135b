"""P10: `mmdino --help` beside `python -c pass`; the difference is what our imports cost."""

import subprocess
import sys

from ratio import Row, seconds

ROUNDS = 5
LIMIT = 0.3  # s


def rows(quick: bool) -> list[Row]:
    bare, ours = ([run(command) for _ in range(ROUNDS)] for command in (["-c", "pass"], ["-m", "mmdino", "--help"]))
    extra = [mine - other for mine, other in zip(ours, bare)]
    middle = sorted(extra)[ROUNDS // 2]
    return [
        Row(
            "P10",
            "`mmdino --help`, s above",
            "`python -c pass`",
            sorted(ours)[ROUNDS // 2],
            sorted(bare)[ROUNDS // 2],
            middle,
            min(extra),
            max(extra),
            f"≤ {LIMIT} s",
            middle <= LIMIT,
        )
    ]


def run(arguments: list[str]) -> float:
    return seconds(lambda: subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True))
