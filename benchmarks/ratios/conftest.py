"""`make bench`: our work and what it replaces, timed in turn by pytest-benchmark; the ratio holds where seconds do not.

    pytest benchmarks/ratios [--quick] [-k p1] [--benchmark-json FILE]

The reference is each round's setup, so that both see the same hour of a shared machine. With ``--quick`` sizes are small,
and what passes its guard fails: so the tests notice when something has become several times slower.
"""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch

import cpu
from goals import HEAD, Goal, Row, row
from mmdino.training.record import versions

ROWS = pytest.StashKey[list[Row]]()


@pytest.fixture
def beside(benchmark: Any, request: pytest.FixtureRequest, quick: bool) -> Callable[..., None]:
    """Return what times ``ours`` beside ``theirs``, keeps the row, and fails where a guard is passed."""

    def compare(
        name: str,
        what: str,
        reference: str,
        ours: Callable[[], object],
        theirs: Callable[[], object],
        goal: Goal,
        rounds: int = 5,
        per: tuple[float, float] = (1.0, 1.0),  # what one call's seconds are divided by (its samples), of each
    ) -> None:
        took: list[float] = []
        benchmark.group = name
        turn = {"rounds": rounds, "iterations": 1, "warmup_rounds": 1}
        benchmark.pedantic(ours, setup=lambda: took.append(cpu.seconds(theirs)), **turn)
        mine, other = np.array(benchmark.stats.stats.data) / per[0], np.array(took[1:]) / per[1]
        found = row(name, what, reference, goal, mine, other)
        benchmark.extra_info.update(asdict(found), quick=quick)
        request.config.stash[ROWS].append(found)
        if quick and goal.guard is not None:
            assert goal.holds(found.value, goal.guard), f"{found.line()}: guarded at {goal.guard:g}"

    return compare


@pytest.fixture(scope="session")
def quick(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="small sizes, few rounds, and the guards")


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)
    config.stash[ROWS] = []
    config.addinivalue_line("markers", "whole: only at full size")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.benchmark(timer=cpu.now))
        if config.getoption("--quick") and item.get_closest_marker("whole"):
            item.add_marker(pytest.mark.skip("only at full size"))


def pytest_benchmark_update_machine_info(machine_info: dict[str, Any]) -> None:
    machine_info["versions"] = versions()


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    rows = sorted(config.stash[ROWS], key=lambda found: int(found.name.removeprefix("P")))
    terminalreporter.write_line("\n".join([HEAD, *(found.line() for found in rows)]))
