"""Waiting for something that another process does."""

import time
from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(condition: Callable[[], Value], seconds: float = 60, what: str = "") -> Value:
    """Return the condition's value as soon as it is true; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain for {what or condition}"
        time.sleep(0.1)
    return value
