"""A guard against a ten-fold slip: small sizes and generous limits (the figures themselves: `make bench`)."""

import dryrun
import features
import regression
import resampling
import samples
import startup
import steps


def test_a_training_sample_costs_a_fraction_of_reading_volumes():
    sample, _, bank = samples.rows(quick=True)
    assert sample.ratio > 10
    assert bank.ratio < 4


def test_the_regressions_sweep_is_faster_than_cold_fits():
    assert regression.rows(quick=True)[0].ratio > 2


def test_a_step_costs_what_a_plain_vit_does():
    assert steps.rows(quick=True)[0].ratio < 2


def test_features_are_not_read_anew_for_each_set_of_sequences():
    assert features.rows(quick=True)[0].ratio > 5


def test_resampling_is_vectorised():
    assert resampling.rows(quick=True)[0].ratio > 10


def test_help_imports_nothing_heavy():
    assert startup.rows(quick=True)[0].ratio < 1.0


def test_a_dry_run_of_the_papers_study_takes_seconds():
    assert dryrun.rows(quick=True)[0].ratio < 20
