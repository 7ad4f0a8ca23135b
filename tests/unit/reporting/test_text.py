import pytest

from mmdino.evaluation.compare import Estimate
from mmdino.reporting.text import duration, listing, p_value, score, with_span


@pytest.mark.parametrize(
    ("value", "signed", "shown"),
    [(0.721, False, ".72"), (-0.05, False, "−.05"), (0.02, True, "+.02"), (1.0, False, "1.00"), (-0.001, True, ".00"),
     (None, False, "–"), (float("nan"), False, "–")],
)  # fmt: skip
def test_scores(value, signed, shown):
    assert score(value, signed) == shown


def test_an_interval_never_breaks_across_lines():
    shown = with_span(Estimate(0.7, 0.6, 0.8, None, 10, 1))
    assert shown.replace("\u00a0", " ") == ".70 [.60, .80]"
    assert " " not in shown


@pytest.mark.parametrize(("p", "shown"), [(0.0001, "< .001"), (0.004, ".004"), (0.032, ".03"), (1.0, "1"), (None, "–")])
def test_p_values(p, shown):
    assert p_value(p) == shown


def test_durations_and_lists():
    assert [duration(seconds) for seconds in (5, 90, 9000, None)] == ["5 s", "1.5 min", "2.5 h", "–"]
    assert listing(["a"]) == "a"
    assert listing(["a", "b", "c"]) == "a, b and c"
    assert listing([str(number) for number in range(1000)]) == "0, 1, 2, 3, 4, 5, 6 and 993 more"
