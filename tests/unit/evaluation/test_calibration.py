import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import log_loss

from mmdino.evaluation.calibration import TEMPERATURES, fit_temperature, reliability, scaled
from mmdino.evaluation.metrics import calibration_error
from mmdino.evaluation.predictions import Answers
from results_factory import answers as made_answers


def simulated(patients: int, sharpness: float, seed: int = 0) -> Answers:
    """Return answers whose truth is drawn from the probabilities, which are then sharpened: 1 is perfect calibration."""
    rng = np.random.default_rng(seed)
    honest = rng.dirichlet([1.0, 1.0, 1.0], patients)
    truth = (rng.random((patients, 1)) > honest.cumsum(axis=1)).sum(axis=1)
    told = honest**sharpness
    return Answers(np.arange(patients).astype(object), truth, told / told.sum(axis=1, keepdims=True))


def test_answers_that_are_drawn_from_their_probabilities_are_calibrated():
    honest = simulated(20_000, 1.0)
    assert calibration_error(honest.truth, honest.probabilities) < 0.015
    assert fit_temperature(honest) == pytest.approx(1, abs=0.05)
    bins = reliability([honest])
    inside = [one.accuracy_low <= one.confidence <= one.accuracy_high for one in bins]
    assert len(bins) == 7  # the named of three classes has a third at least
    assert sum(inside) >= 6


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 4.0])
def test_the_temperature_undoes_what_made_answers_too_sure_or_too_unsure(sharpness):
    told = simulated(20_000, sharpness)
    assert fit_temperature(told) == pytest.approx(sharpness, rel=0.05)
    mended = scaled(told, fit_temperature(told))
    assert calibration_error(mended.truth, mended.probabilities) < 0.015
    assert (mended.predicted == told.predicted).all()


def test_the_temperature_is_that_of_a_plain_search():
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 3, 80)
    told = Answers(np.arange(80).astype(object), truth, made_answers(truth, 0.6, rng))
    logits = np.log(told.probabilities)

    def loss(temperature):
        odds = np.exp(logits / temperature)
        return log_loss(truth, odds / odds.sum(axis=1, keepdims=True), labels=[0, 1, 2])

    found = minimize(lambda x: loss(x[0]), [1.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
    assert fit_temperature(told) == pytest.approx(found.x[0], rel=1e-3)


def test_certainty_that_is_always_right_stays_finite():
    truth = np.arange(30) % 3
    sure = Answers(np.arange(30).astype(object), truth, np.eye(3)[truth])
    assert TEMPERATURES[0] <= fit_temperature(sure) <= TEMPERATURES[1]
    assert np.isfinite(scaled(sure, fit_temperature(sure)).probabilities).all()


def test_bins_hold_everybody_and_seeds_do_not_narrow_them():
    told = simulated(300, 2.0)
    once, thrice = reliability([told]), reliability([told] * 3)
    assert sum(one.n for one in once) == 300
    assert [vars(a) for a in once] == [pytest.approx(vars(b)) for b in thrice]
    gaps = sum(one.n * abs(one.confidence - one.accuracy) for one in reliability([told], 15)) / 300
    assert gaps == pytest.approx(calibration_error(told.truth, told.probabilities))
