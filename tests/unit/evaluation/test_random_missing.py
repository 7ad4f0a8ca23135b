import numpy as np

from mmdino.evaluation.compare import arm_mcc
from mmdino.evaluation.predictions import Answers, Place, group
from mmdino.evaluation.random_missing import DRAWS, RATES, SETS, randomly_missing
from mmdino.tables import SEQUENCES
from results_factory import predictions


def marked(patients: int = 400) -> dict[str, Answers]:
    """Answers whose first probability tells under which set they were given."""
    subjects = np.array([f"sub-{number:04d}" for number in range(patients)], object)
    truth = np.arange(patients) % 3
    return {name: Answers(subjects, truth, np.full((patients, 3), place)) for place, name in enumerate(SETS)}


def sizes(rate: float) -> np.ndarray:
    count = np.array([name.count("+") + 1 for name in SETS])
    return np.array([count[mixture.probabilities[:, 0].astype(int)] for mixture in randomly_missing(marked(), rate)])


def test_nothing_is_missing_at_zero_and_one_sequence_stays_at_one():
    assert (sizes(0.0) == 4).all()
    assert (sizes(1.0) == 1).all()


def test_as_many_are_missing_as_asked_for():
    for rate in RATES[1:4]:
        kept_one = rate ** len(SEQUENCES)  # who would lack all keeps one
        assert abs(sizes(rate).mean() - (4 * (1 - rate) + kept_one)) < 0.06


def test_what_is_missing_at_a_rate_is_missing_at_every_higher_one():
    assert (sizes(0.3) <= sizes(0.15)).all()
    assert (sizes(0.75) <= sizes(0.3)).all()


def test_draws_differ_and_are_the_same_again():
    first, again = sizes(0.45), sizes(0.45)
    assert len(first) == DRAWS
    assert (first == again).all()
    assert not (first[0] == first[1]).all()


def test_mcc_falls_with_the_rate():
    by_place = group(predictions(1.5, readouts=("cls",), test=300))
    answers = {name: by_place[Place("test", name, "transfer", "cls")] for name in SETS}
    found = [arm_mcc([randomly_missing(answers, rate)], 100).value for rate in RATES]
    assert found == sorted(found, reverse=True)
    assert found[0] - found[-1] > 0.2
