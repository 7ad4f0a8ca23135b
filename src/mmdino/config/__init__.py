"""What a study is: strict models of the YAML files in ``config/``, light enough for Snakemake to import (no torch)."""

from mmdino.config.cohort import Cohort, Labels
from mmdino.config.evaluation import Evaluation
from mmdino.config.experiment import (
    Data,
    Experiment,
    MethodSettings,
    Policy,
    Readout,
    Reads,
    Space,
    load_experiments,
    method_settings,
)
from mmdino.config.needs import Job, Needs
from mmdino.config.preparation import Bank, Leakage, Preprocess, Splits, Volumes
from mmdino.config.study import Study, load_study

__all__ = [
    "Bank",
    "Cohort",
    "Data",
    "Evaluation",
    "Experiment",
    "Job",
    "Labels",
    "Leakage",
    "MethodSettings",
    "Needs",
    "Policy",
    "Preprocess",
    "Readout",
    "Reads",
    "Space",
    "Splits",
    "Study",
    "Volumes",
    "load_experiments",
    "load_study",
    "method_settings",
]
