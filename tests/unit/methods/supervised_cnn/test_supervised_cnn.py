import dataclasses

import numpy as np
import pytest
import safetensors.torch
import torch
from pydantic import ValidationError

from mmdino.errors import UserError
from mmdino.methods.base import Run, method
from mmdino.methods.common.batch import rendered
from mmdino.methods.common.draws import Drawn
from mmdino.methods.supervised_cnn.method import keep_sequences
from mmdino.methods.supervised_cnn.settings import Settings
from mmdino.tables import SEQUENCES

SETTINGS = Settings(
    network="resnet10t", image_size=32, batch=12, steps=40, warmup_steps=4, sequence_dropout=0.2, lr=2e-3
)


def _train(run):
    trainable = method("supervised-cnn").build(run)
    trainable.network.train()
    losses = []
    for step in range(trainable.steps):
        trainable.schedule(step)
        values = trainable.losses(rendered(trainable.batch(step)), step)
        trainable.optimizer.zero_grad()
        values["loss"].backward()
        trainable.optimizer.step()
        losses.append(values["loss"].item())
    return trainable, losses


@pytest.fixture(scope="module")
def run(tiny_patients, tmp_path_factory):
    return Run(SETTINGS, 0, tmp_path_factory.mktemp("run"), tiny_patients)


@pytest.fixture(scope="module")
def trained(run):
    trainable, losses = _train(run)
    tensors = {name: value.contiguous() for name, value in trainable.exported()[0].items()}
    safetensors.torch.save_file(tensors, run.folder / "model.safetensors")
    return trainable, losses


def test_it_learns_the_planted_signal(trained, run):
    trainable, losses = trained
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    patients = run.patients
    asked = patients.select("val") + patients.select("train")
    probabilities = trainable.encoder().probabilities(patients.evaluation_slices(asked), SEQUENCES)
    assert probabilities.shape == (len(asked), 3)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert np.mean(probabilities.argmax(1) == patients.targets(asked)) > 0.7


def test_the_same_seed_gives_the_same_bits_and_another_does_not(trained, run):
    again, losses = _train(run)
    assert losses == trained[1]
    for name, value in trained[0].network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name
    other = method("supervised-cnn").build(dataclasses.replace(run, seed=1))
    assert not torch.equal(rendered(other.batch(0)).views, rendered(again.batch(0)).views)


def test_a_batch_depends_on_the_step_alone(run):
    first, second = (method("supervised-cnn").build(run) for _ in range(2))
    first.batch(3)
    torch.rand(5)
    for step in (7, 0):
        one, other = rendered(first.batch(step)), rendered(second.batch(step))
        assert one.subjects == other.subjects
        assert torch.equal(one.views, other.views)
        assert torch.equal(one.labels, other.labels)
    assert one.views.shape == (12, 4, 32, 32)
    np.testing.assert_array_equal(one.labels.numpy(), run.patients.targets(one.subjects))


def test_only_labelled_training_patients_are_drawn(run):
    trainable = method("supervised-cnn").build(run)
    drawn = {turn.subject for step in range(20) for turn in trainable.sampler(step)}
    assert drawn == set(run.patients.select("train", labelled=True))


def test_dropout_keeps_one_sequence_and_brings_none_back():
    present = np.tile([True, False, True, True], (600, 1))
    present[0] = False
    turns = [Drawn(f"p{number}", 0) for number in range(600)]
    kept = keep_sequences(present, turns, 0.5, seed=0)
    assert not kept[:, 1].any()
    assert not kept[0].any()
    assert kept[1:].any(axis=1).all()
    assert kept[1:, [0, 2, 3]].mean() == pytest.approx(0.5 + 0.5**3 / 3, abs=0.03)
    assert keep_sequences(present, turns, 0.0, seed=0)[1:].sum() == 599 * 3
    assert (keep_sequences(present, turns, 1.0, seed=0)[1:].sum(axis=1) == 1).all()


def test_hidden_sequences_have_no_influence(trained, run):
    slices = run.patients.evaluation_slices(run.patients.select("val"))
    spoilt = dataclasses.replace(slices, images=slices.images.copy())
    spoilt.images[:, [1, 2]] = np.random.default_rng(0).random(spoilt.images[:, [1, 2]].shape)
    encoder = trained[0].encoder()
    for shown, same in ((("t1", "flair"), True), (SEQUENCES, False)):
        one, other = (encoder.features(given, shown)["cls"] for given in (slices, spoilt))
        assert np.array_equal(one, other) == same


def test_asking_leaves_training_as_it_was(trained, run):
    trainable = trained[0]
    before = {name: value.clone() for name, value in trainable.network.state_dict().items()}
    trainable.encoder().features(run.patients.evaluation_slices(run.patients.select("val")), SEQUENCES)
    assert trainable.network.training
    for name, value in trainable.network.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_the_loaded_encoder_answers_as_the_trained_one(trained, run):
    slices = run.patients.evaluation_slices(run.patients.select("val"))
    loaded = method("supervised-cnn").load(run)
    encoder = trained[0].encoder()
    answers = [asked.probabilities(slices, ("t1c", "t2")) for asked in (loaded, encoder)]
    np.testing.assert_array_equal(*answers)
    features = loaded.features(slices, SEQUENCES)["cls"]
    assert features.shape == (len(slices), 512)
    assert features.dtype == np.float32


def test_what_is_refused(run, tmp_path):
    with pytest.raises(UserError, match="no network 'resnet81'; did you mean 'resnet"):
        method("supervised-cnn").build(dataclasses.replace(run, settings=Settings(network="resnet81")))
    with pytest.raises(UserError, match=r"model\.safetensors: holds no trained 'resnet10t'"):
        method("supervised-cnn").load(dataclasses.replace(run, folder=tmp_path))
    with pytest.raises(UserError, match="holds no trained 'resnet18'"):
        method("supervised-cnn").load(dataclasses.replace(run, settings=Settings(network="resnet18")))
    with pytest.raises(ValidationError, match="compile: a ViT's blocks alone"):
        Settings(compile=True)
    with pytest.raises(ValidationError, match="must be less than steps 10"):
        Settings(steps=10, warmup_steps=10)


@pytest.mark.parametrize("fill", ["mean", "token"])
def test_what_stands_for_a_hidden_sequence_is_seen_in_its_place(run, fill):
    trainable = method("supervised-cnn").build(
        dataclasses.replace(run, settings=SETTINGS.model_copy(update={"fill": fill}))
    )
    absent = trainable.network.absent
    assert absent.shape == (4, 32, 32)
    assert absent.requires_grad == (fill == "token")
    assert bool(absent.any()) == (fill == "mean")  # a token starts at 0 and is learned
    with torch.no_grad():
        absent += 1.0
    trainable.network.eval()
    images, shown = torch.randn(2, 4, 32, 32), torch.tensor([[True, True, False, True], [True] * 4])
    filled = images.clone()
    filled[0, 2] = absent[2].detach()
    assert torch.equal(trainable.network(images, shown), trainable.network(filled, torch.ones_like(shown)))


def test_a_learned_token_is_learned(run):
    settings = SETTINGS.model_copy(update={"fill": "token", "steps": 3, "warmup_steps": 0, "sequence_dropout": 0.5})
    trainable, _ = _train(dataclasses.replace(run, settings=settings))
    assert trainable.network.absent.any(dim=(1, 2)).all()


def test_weights_of_a_file_are_read_and_spread_over_four_channels(run, tmp_path):
    import timm

    rgb = timm.create_model("resnet10t", num_classes=7)
    safetensors.torch.save_file(rgb.state_dict(), tmp_path / "rgb.safetensors")
    settings = SETTINGS.model_copy(update={"weights": str(tmp_path / "rgb.safetensors")})
    network = method("supervised-cnn").build(dataclasses.replace(run, settings=settings)).network
    assert torch.equal(network.body.layer2[0].conv1.weight, rgb.layer2[0].conv1.weight)
    assert network.body.conv1[0].weight.shape[1] == 4
    missing = SETTINGS.model_copy(update={"weights": str(tmp_path / "none.pth")})
    with pytest.raises(UserError, match=r"none\.pth: there is no such file"):
        method("supervised-cnn").build(dataclasses.replace(run, settings=missing))
