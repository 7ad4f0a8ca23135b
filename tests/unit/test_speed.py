"""A guard against a ten-fold slip: small sizes and generous limits (the figures themselves: `make bench`)."""

import regression
import resampling
import samples
import startup


def test_a_training_sample_costs_a_fraction_of_reading_volumes():
    sample, bank = samples.rows(quick=True)
    assert sample.ratio > 10
    assert bank.ratio < 6


def test_the_regressions_sweep_is_faster_than_cold_fits():
    assert regression.rows(quick=True)[0].ratio > 2


def test_resampling_is_vectorised():
    assert resampling.rows(quick=True)[0].ratio > 10


def test_help_imports_nothing_heavy():
    assert startup.rows(quick=True)[0].ratio < 1.0
