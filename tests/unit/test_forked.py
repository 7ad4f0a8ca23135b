"""Work shared out over forked processes is the same work."""

import os
from functools import partial

import pytest

from mmdino.errors import UserError
from mmdino.forked import forked


def _fail() -> int:
    raise UserError("this one is broken")


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_outcomes_bear_their_names_in_the_order_given(processes: int) -> None:
    works = {number: partial(pow, number, 2) for number in (3, 1, 2)}
    assert list(forked(works, processes, "squares", "square").items()) == [(3, 9), (1, 1), (2, 4)]


def test_closures_are_called_in_other_processes_if_there_may_be_some() -> None:
    where = {name: lambda: os.getpid() for name in "ab"}
    assert os.getpid() not in forked(where, 2, "places", "place").values()
    assert set(forked(where, 1, "places", "place").values()) == {os.getpid()}


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_reaches_the_caller(processes: int) -> None:
    with pytest.raises(UserError, match="this one is broken"):
        forked({"good": lambda: 1, "bad": _fail}, processes, "works", "work")


def test_nothing_to_do() -> None:
    assert forked({}, 4, "works", "work") == {}
