"""CPU seconds: on a shared machine the clock tells more of the neighbours than of the work."""

import resource
import time
from collections.abc import Callable


def now() -> float:
    """Return the CPU seconds that this process has spent, and the children that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds that ``work`` spends."""
    before = now()
    work()
    return now() - before
