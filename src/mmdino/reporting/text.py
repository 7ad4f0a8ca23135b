"""How numbers are written: the same in tables, sentences and figures."""

import math

from mmdino.evaluation.compare import Estimate

NONE = "–"
MOST_NAMED = 8
SHOWN = {"t1": "T1", "t1c": "T1c", "t2": "T2", "flair": "FLAIR"}  # sequences, as people write them


def score(value: float | None, signed: bool = False) -> str:
    """Return a score in −1…1 as ``.72`` or ``−.05``; signed: ``+.02``."""
    if value is None or math.isnan(value):
        return NONE
    digits = f"{abs(value):.2f}"
    digits = digits[1:] if digits.startswith("0") else digits
    if float(digits) == 0:
        return digits
    return {True: "−", False: "+" if signed else ""}[value < 0] + digits


def span(low: float, high: float, signed: bool = False) -> str:
    """Return an interval as ``[.67, .77]``."""
    return f"[{score(low, signed)},\u00a0{score(high, signed)}]"


def with_span(estimate: Estimate | None, signed: bool = False) -> str:
    """Return ``.72 [.67, .77]``, which never breaks across lines."""
    if estimate is None:
        return NONE
    return f"{score(estimate.value, signed)}\u00a0{span(estimate.low, estimate.high, signed)}"


def p_value(p: float | None) -> str:
    """Return ``< .001``, ``.03`` or ``.4``."""
    if p is None or math.isnan(p):
        return NONE
    if p < 0.001:
        return "< .001"
    return "1" if p > 0.995 else f"{p:.3f}"[1:] if p < 0.01 else f"{p:.2f}"[1:]


def equals(p: float | None) -> str:
    """Return ``< .001`` or ``= .03``, to stand after "p", which never breaks across lines."""
    shown = p_value(p)
    return (shown if shown.startswith("<") else f"= {shown}").replace(" ", "\u00a0")


def count(value: float | None) -> str:
    """Return a whole number with thousands set apart."""
    return NONE if value is None or math.isnan(value) else f"{value:,.0f}"


def duration(seconds: float | None) -> str:
    """Return CPU time in the unit in which it is best read."""
    if seconds is None or math.isnan(seconds):
        return NONE
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def listing(names: list[str]) -> str:
    """Return ``a, b and c``; of many the first, and how many more there are."""
    if len(names) > MOST_NAMED:
        names = [*names[: MOST_NAMED - 1], f"{len(names) - MOST_NAMED + 1:,} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
