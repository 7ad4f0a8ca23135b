"""The example of docs/adding-a-method.md is copied out of the page, trained and asked."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import matthews_corrcoef

import mmdino.methods
from mmdino.config import Experiment
from mmdino.config.strict import parse
from mmdino.methods.base import Run, method
from mmdino.tables import SEQUENCES
from mmdino.training.fit import fit

PAGE = Path(__file__).parents[3] / "docs" / "adding-a-method.md"
BLOCKS = dict(re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", PAGE.read_text(), re.DOTALL))


@pytest.fixture
def run(tmp_path, tiny_patients, monkeypatch):
    for path, text in BLOCKS.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    methods = tmp_path / "src" / "mmdino" / "methods"
    monkeypatch.setattr(mmdino.methods, "__path__", [*mmdino.methods.__path__, str(methods)])
    from mmdino.methods.brightness.settings import Settings

    return Run(Settings(), 0, tmp_path / "run", tiny_patients)


def test_the_example_trains_and_is_read_back(run):
    experiment = parse(Experiment, yaml.safe_load(BLOCKS["config/experiments/brightness.yaml"]), PAGE)
    fit(run, experiment.method, {"experiment": experiment.name})
    asked = run.patients.select("val") + run.patients.select("test")
    slices, labels = run.patients.evaluation_slices(asked), run.patients.labels(asked)
    encoder = method("brightness").load(run)
    probabilities = encoder.probabilities(slices, SEQUENCES)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert matthews_corrcoef(labels, probabilities.argmax(1)) > 0.5
    without = encoder.probabilities(slices, ("t1", "t2", "flair"))  # the signal is in t1c
    assert matthews_corrcoef(labels, without.argmax(1)) < 0.5
