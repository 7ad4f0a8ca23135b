import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdino.evaluation.predictions import Answers
from mmdino.evaluation.selective import COVERAGES, risk_coverage


def drawn(seed: int, patients: int, tied: bool = False) -> Answers:
    rng = np.random.default_rng(seed)
    odds = rng.integers(1, 4, (patients, 3)).astype(float) if tied else rng.random((patients, 3))
    names = np.array([f"sub-{number:03d}" for number in range(patients)], object)
    return Answers(names, rng.integers(0, 3, patients), odds / odds.sum(axis=1, keepdims=True))


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), patients=st.integers(3, 60))
def test_the_area_is_that_of_a_plain_loop(seed, patients):
    answers = drawn(seed, patients)
    order = np.argsort(-answers.probabilities.max(axis=1))
    wrong = (answers.predicted != answers.truth)[order]
    risks = [wrong[:accepted].mean() for accepted in range(1, patients + 1)]
    found = risk_coverage([answers], 100)
    assert found.aurc.value == pytest.approx(np.mean(risks))
    assert found.best <= found.aurc.value + 1e-12
    assert found.risk[-1] == pytest.approx(wrong.mean())


@settings(max_examples=20)
@given(seed=st.integers(0, 10**6), patients=st.integers(3, 60))
def test_more_coverage_never_means_fewer_errors_and_order_of_patients_says_nothing(seed, patients):
    answers = drawn(seed, patients, tied=True)
    found = risk_coverage([answers], 100)
    errors = np.multiply(found.risk, COVERAGES)
    assert (np.diff(errors) >= -1e-12).all()
    turned = answers.only(np.arange(patients)[::-1])
    assert risk_coverage([turned], 100).risk == pytest.approx(found.risk)


def test_one_degree_of_confidence_has_the_error_rate_everywhere():
    answers = drawn(1, 50)
    flat = Answers(answers.subjects, answers.truth, np.tile([0.2, 0.5, 0.3], (50, 1)))
    found = risk_coverage([flat], 200)
    rate = (flat.truth != 1).mean()
    assert found.risk == pytest.approx([rate] * len(COVERAGES))
    assert found.aurc.value == pytest.approx(rate)


def test_an_ideal_order_reaches_the_least_area_and_more_order_never_hurts():
    answers = drawn(2, 60)
    wrong = answers.predicted != answers.truth
    sure = np.where(wrong, 0.4, 0.9)[:, None] * np.eye(3)[answers.predicted]
    rest = (1 - sure.sum(axis=1, keepdims=True)) / 2 * (1 - np.eye(3)[answers.predicted])
    ideal = risk_coverage([Answers(answers.subjects, answers.truth, sure + rest)], 200)
    assert ideal.aurc.value == pytest.approx(ideal.best)
    assert (np.diff(ideal.risk) >= -1e-12).all()


def test_seeds_are_averaged_over_the_patients_that_all_have():
    one, other = drawn(3, 40), drawn(4, 40)
    other = Answers(one.subjects, one.truth, other.probabilities)
    alone = [risk_coverage([run], 100).aurc.value for run in (one, other)]
    both = risk_coverage([one, other], 100)
    assert both.aurc.value == pytest.approx(np.mean(alone))
    assert (both.aurc.n, both.aurc.runs) == (40, 2)
    assert risk_coverage([one, other.only(np.arange(30))], 100).aurc.n == 30
