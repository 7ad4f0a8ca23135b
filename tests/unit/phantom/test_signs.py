import itertools

import numpy as np
import pytest

from mmdino.evaluation.metrics import mcc
from mmdino.phantom.signs import BINARY, ENHANCEMENT, VARIANTS, Signs, draw_signs, posterior
from mmdino.tables import CLASSES

ALL = ("t1", "t1c", "t2", "flair")


def oracle_confusion(variant, sequences):
    """Return the joint probabilities (true class, decided class) of the Bayes decision, by enumerating all signs."""
    confusion = np.zeros((len(CLASSES), len(CLASSES)))
    for enhancement, *seen in itertools.product(ENHANCEMENT, *[(False, True)] * len(BINARY)):
        signs = Signs(enhancement, False, **dict(zip(BINARY, seen)))
        everything = np.array(variant.priors) * [row[ENHANCEMENT.index(enhancement)] for row in variant.enhancement]
        for name, value in zip(BINARY, seen):
            shown = np.array(variant.binary[name])
            everything *= shown if value else 1 - shown
        confusion[:, posterior(variant, signs, sequences).argmax()] += everything
    return confusion


def oracle_mcc(variant, sequences):
    return float(mcc(oracle_confusion(VARIANTS[variant], sequences)))


@pytest.mark.parametrize(
    ("sequences", "expected"),
    [
        (ALL, 0.80),
        (("t1", "t2", "flair"), 0.72),
        (("t1", "t1c", "flair"), 0.73),
        (("t1", "t1c", "t2"), 0.71),
        (("flair",), 0.63),
    ],
)
def test_the_hard_variant_has_the_ceiling_of_its_first_trial(sequences, expected):
    assert oracle_mcc("hard", sequences) == pytest.approx(expected, abs=0.01)


def test_the_default_variant_is_the_easier_one():
    assert oracle_mcc("default", ALL) == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_sequence_more_never_lowers_the_ceiling(variant):
    for missing in ALL:
        fewer = tuple(name for name in ALL if name != missing)
        assert oracle_mcc(variant, fewer) <= oracle_mcc(variant, ALL) + 1e-12


def test_signs_follow_their_tables():
    variant = VARIANTS["default"]
    generator = np.random.default_rng(0)
    drawn = [draw_signs(variant, generator) for _ in range(6000)]
    labels = np.array([label for label, _ in drawn])
    np.testing.assert_allclose(
        [(labels == name).mean() for name in ("astrocytoma", "glioblastoma", "oligodendroglioma")],
        variant.priors,
        atol=0.03,
    )
    specks = np.array([signs.specks for label, signs in drawn if label == "oligodendroglioma"])
    assert specks.mean() == pytest.approx(variant.binary["specks"][2], abs=0.04)


def test_a_posterior_is_a_distribution():
    _, signs = draw_signs(VARIANTS["hard"], np.random.default_rng(1))
    assert posterior(VARIANTS["hard"], signs, ALL).sum() == pytest.approx(1)
