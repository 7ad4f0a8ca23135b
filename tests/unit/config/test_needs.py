"""What a method declares to need is what the rules and `mmdino submit` ask for."""

import importlib
import inspect
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mmdino.cli import app
from mmdino.config import Needs, load_study
from mmdino.config.experiment import known_methods
from mmdino.launch.resources import declared
from mmdino.methods.base import Trainable, method

STUDIES = Path(__file__).parents[3] / "config" / "studies"


def settings(name, **changed):
    return importlib.import_module(f"mmdino.methods.{name.replace('-', '_')}.settings").Settings(**changed)


@pytest.mark.parametrize("name", known_methods())
def test_only_who_shares_a_batch_declares_several_gpus(name):
    kinds = [kind for _, kind in inspect.getmembers(method(name), inspect.isclass) if issubclass(kind, Trainable)]
    mine = [kind for kind in kinds if kind.__module__ == method(name).__name__] or kinds
    assert (settings(name).needs("train").gpus > 1) == any(kind.shares_batch for kind in mine)
    for job in ("train", "predict"):
        needs = settings(name).needs(job)
        assert min(needs.cpus, needs.memory_gb, needs.minutes) > 0
    assert settings(name).needs("predict").gpus == min(1, settings(name).needs("train").gpus)


def test_needs_grow_with_size_and_length():
    small, base, large = (
        settings("mm-dinov2", dim=d, depth=n).needs("train") for d, n in ((384, 12), (768, 12), (1020, 24))
    )
    assert small.memory_gb < base.memory_gb < large.memory_gb
    assert settings("mm-dinov2", steps=200, batch=16, warmup_steps=20).needs("train").minutes < base.minutes
    assert settings("mm-dinov2", backbone="starter").needs("train").memory_gb == Needs().memory_gb
    assert settings("majority").needs("train") == Needs()


def test_a_profile_gives_no_more_than_it_has_and_no_more_than_is_declared():
    assert Needs(cpus=16, gpus=16).given(4, 2) == Needs(cpus=4, gpus=2)
    assert Needs(cpus=1, gpus=0).given(4, 2) == Needs(cpus=1, gpus=0)


def test_submit_asks_for_what_the_method_of_its_command_declares(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("mmdino.launch.run.run_job", lambda *given: asked.append(given[3]))
    study = str(STUDIES / "paper.yaml")

    def submitted(verb, experiment, *options):
        inner = [verb, "--study", study, "--experiment", experiment]
        words = ["submit", "--name=x", f"--jobs={tmp_path}", "--cluster=slurm", "--cpus=8", "--gpus=4", "--nodes=2"]
        words += ["--slurm=partition=gpu", "--slurm-cpu=partition=cpu", *options, "--", *inner]
        assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0
        return asked[-1]

    whole = load_study(study).needs("mm-dinov2", "train")
    found = submitted("train", "mm-dinov2")
    assert (found.cpus, found.gpus, found.nodes, found.slurm) == (8, 4, 2, {"partition": "gpu"})
    assert (found.memory_gb, found.minutes) == (whole.memory_gb, whole.minutes)
    assert submitted("train", "mm-dinov2", "--memory-gb=40", "--minutes=30").memory_gb == 40
    found = submitted("train", "supervised-cnn")
    assert (found.gpus, found.nodes) == (1, 1)
    found = submitted("train", "radiomics")
    assert (found.cpus, found.gpus, found.nodes, found.slurm) == (4, 0, 1, {"partition": "cpu"})
    assert submitted("predict", "mm-dinov2").gpus == 1, "nobody shares a prediction"
    assert submitted("predict", "radiomics").gpus == 0


def test_a_verb_without_an_experiment_gets_what_it_is_given():
    assert declared(["report", "--study", "x"]).given(3, 2) == Needs(cpus=3, gpus=2, minutes=720)
