import dataclasses

import numpy as np
import pytest
import torch

from factories import tiny_study
from mmdino.methods.base import Run, method
from mmdino.methods.common.batch import rendered
from mmdino.methods.fixmatch.settings import Settings
from mmdino.tables import SEQUENCES
from mmdino.training.fit import fit

SETTINGS = Settings(
    network="resnet10t", image_size=32, batch=6, steps=30, warmup_steps=4, sequence_dropout=0.2, lr=2e-3, threshold=0.8,
    evaluate_every=15, precision="fp32",
)  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("semi")
    return Run(SETTINGS, 0, folder / "run", tiny_study(folder, labelled_fraction=0.5))


def test_it_learns_the_planted_signal_from_few_labels(run):
    fit(run, "fixmatch", {"experiment": "fixmatch"})
    patients = run.patients
    hidden = patients.select("train", labelled=False) + patients.select("val") + patients.select("test")
    probabilities = method("fixmatch").load(run).probabilities(patients.evaluation_slices(hidden), SEQUENCES)
    assert np.mean(probabilities.argmax(1) == patients.labels(hidden)) > 0.6


def test_both_views_show_the_same_patients_and_no_label_of_an_unlabelled_one(run):
    trainable = method("fixmatch").build(run)
    drawn = [rendered(trainable.batch(step)) for step in range(4)]
    for batch in drawn:
        assert batch.weak.subjects == batch.strong.subjects
        assert len(batch.weak.subjects) == 2 * len(batch.labelled.subjects) == 12
        assert not torch.equal(batch.weak.views, batch.strong.views)
    unlabelled = set(run.patients.select("train", labelled=False))
    assert unlabelled & {subject for batch in drawn for subject in batch.weak.subjects}
    assert not unlabelled & {subject for batch in drawn for subject in batch.labelled.subjects}


def test_only_sure_answers_teach(run):
    def losses(threshold):
        settings = SETTINGS.model_copy(update={"threshold": threshold})
        trainable = method("fixmatch").build(dataclasses.replace(run, settings=settings))
        return trainable.losses(rendered(trainable.batch(0)), 0)

    never, always = losses(0.999), losses(0.0)
    assert never["sure"] == never["unsupervised"] == 0
    assert never["loss"] == never["supervised"]
    assert always["sure"] == 1
    assert always["loss"].item() == pytest.approx(
        float(always["supervised"].detach() + always["unsupervised"].detach())
    )
