"""The one exception that a user is meant to read."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Bad input. The message names the file, says what is wrong and what to do; the command line shows it without a traceback."""


def first_line(error: BaseException) -> str:
    """Return what somebody else's error says first, to be quoted in a sentence of ours; its type, if it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def one_line(error: BaseException) -> str:
    """Return all that somebody else's error says, in one line, to be quoted in a sentence of ours; its type, if it is silent."""
    return " ".join(str(error).split()) or type(error).__name__


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint such as ``; did you mean 'shards'?`` for a misspelt name, or the list of known names."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; known are: {', '.join(names)}"
