"""What a study is: strict models of the YAML files in ``config/``, light enough for Snakemake to import (no torch)."""

from mmdino.config.experiment import Experiment, MethodSettings, load_experiment, method_settings
from mmdino.config.study import Bank, Cohort, Evaluation, Preprocess, Splits, Study, load_study

__all__ = [
    "Bank",
    "Cohort",
    "Evaluation",
    "Experiment",
    "MethodSettings",
    "Preprocess",
    "Splits",
    "Study",
    "load_experiment",
    "load_study",
    "method_settings",
]
