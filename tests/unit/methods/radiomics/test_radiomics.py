import dataclasses

import numpy as np
import pytest
import safetensors.torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import matthews_corrcoef

from mmdino.errors import UserError
from mmdino.methods.base import Run, method
from mmdino.methods.radiomics.features import RINGS, columns, extract
from mmdino.methods.radiomics.settings import Settings
from mmdino.models.logistic import fit_sweep
from mmdino.tables import SEQUENCES

SETTINGS = Settings()
NAMES = [name for name, _ in columns(SETTINGS)]


@pytest.fixture(scope="module")
def run(tiny_patients, tmp_path_factory):
    return Run(SETTINGS, 0, tmp_path_factory.mktemp("run"), tiny_patients)


@pytest.fixture(scope="module")
def built(run):
    trainable = method("radiomics").build(run)
    safetensors.torch.save_file(trainable.network.state_dict(), run.folder / "model.safetensors")
    return trainable


def _disc(side=48, radius=12):
    rows, cols = np.mgrid[:side, :side] - side / 2 + 0.5
    return np.hypot(rows, cols), (np.hypot(rows, cols) < radius).astype(np.uint8)


def _features(image, tumour):
    return dict(zip(NAMES, extract(np.stack([image] * 4).astype(np.float32), tumour, SETTINGS)))


def test_names_are_unique_and_match_the_features():
    distance, tumour = _disc()
    assert len(set(NAMES)) == len(NAMES) == len(extract(np.stack([distance / 50] * 4), tumour, SETTINGS))
    other = Settings(grey_levels=8, distances=[2])
    assert len(columns(other)) == len(extract(np.stack([distance / 50] * 4), tumour, other))


def test_a_flat_tumour_has_a_mean_and_nothing_else():
    _, tumour = _disc()
    found = _features(np.full(tumour.shape, 0.5), tumour)
    assert found["t1_mean"] == found["t1_p1"] == found["t1_p99"] == pytest.approx(0.5)
    for name in ("sd", "skewness", "entropy", "glcm1_contrast", "detail1_sd", "inside0_sd"):
        assert found[f"flair_{name}"] == pytest.approx(0, abs=1e-6)


def test_rings_run_from_the_rim_inwards_and_outwards():
    distance, tumour = _disc()
    found = _features(1 - distance / distance.max(), tumour)
    means = [found[f"t2_{ring}_mean"] for ring in RINGS]
    inside, outside = means[:5], means[5:]
    assert (np.diff(inside) > 0).all()  # brighter towards the middle
    assert (np.diff(outside) < 0).all()
    assert outside[0] < inside[0]


def test_texture_tells_coarse_from_fine():
    _, tumour = _disc()
    fine = np.indices(tumour.shape).sum(0) % 2
    coarse = (np.indices(tumour.shape) // 4).sum(0) % 2
    assert _features(fine, tumour)["t1_glcm1_contrast"] > 1.5 * _features(coarse, tumour)["t1_glcm1_contrast"]
    assert _features(fine, tumour)["t1_detail1_sd"] > _features(coarse, tumour)["t1_detail1_sd"]


@given(st.integers(0, 2**32 - 1), st.booleans(), st.integers(0, 3))
def test_turning_and_mirroring_changes_nothing(seed, mirrored, quarters):
    generator = np.random.default_rng(seed)
    images, (_, tumour) = generator.random((4, 48, 48)).astype(np.float32), _disc(radius=generator.uniform(3, 15))
    tumour[:24] *= generator.random((24, 48)) < 0.9
    turned = [np.rot90(array, quarters, axes=(-2, -1)) for array in (images, tumour)]
    if mirrored:
        turned = [array[..., ::-1] for array in turned]
    before, after = (extract(*given, SETTINGS) for given in ((images, tumour), turned))
    np.testing.assert_allclose(before, after, rtol=1e-3, atol=1e-4)


def test_a_crop_without_tumour_gets_the_training_means(built, run):
    slices = run.patients.evaluation_slices(run.patients.select("val"))
    empty = dataclasses.replace(slices, tumour=np.zeros_like(slices.tumour))
    found = built.encoder().features(empty, SEQUENCES)["cls"]
    np.testing.assert_array_equal(found, np.tile(built.network.mean.numpy(), (len(slices), 1)))


@pytest.mark.parametrize("shown", [SEQUENCES, ("t1c",), ("t1", "flair"), ("t2", "flair", "t1c")])
def test_fewer_sequences_mean_fewer_columns(built, run, shown):
    slices = run.patients.evaluation_slices(run.patients.select("val"))
    every = built.encoder().features(slices, SEQUENCES)["cls"]
    found = built.encoder().features(slices, shown)["cls"]
    assert found.dtype == np.float32
    kept = np.array([needed <= set(shown) for _, needed in columns(SETTINGS)])
    np.testing.assert_array_equal(found[:, kept], every[:, kept])
    np.testing.assert_array_equal(found[:, ~kept], np.tile(built.network.mean.numpy()[~kept], (len(slices), 1)))


def test_hidden_and_absent_sequences_have_no_influence(built, run):
    slices = run.patients.evaluation_slices(run.patients.select("val"))
    spoilt = dataclasses.replace(slices, images=slices.images.copy(), present=slices.present.copy())
    spoilt.images[:, 2] = 0.3
    shown = ("t1", "t1c", "flair")
    expected = built.encoder().features(slices, shown)["cls"]
    np.testing.assert_array_equal(built.encoder().features(spoilt, shown)["cls"], expected)
    spoilt.present[:, 2] = False
    np.testing.assert_array_equal(built.encoder().features(spoilt, SEQUENCES)["cls"], expected)


def test_regression_finds_the_planted_signal_and_only_where_it_is(built, run):
    patients, encoder = run.patients, method("radiomics").load(run)
    train, val = patients.select("train", labelled=True), patients.select("val")
    scores = {}
    for shown in (SEQUENCES, ("t1c",), ("t1", "t2", "flair")):
        x, held = (encoder.features(patients.evaluation_slices(subjects), shown)["cls"] for subjects in (train, val))
        fitted = fit_sweep(x, patients.targets(train), seed=0)
        scores[len(shown)] = matthews_corrcoef(patients.targets(val), fitted.predict_proba(held).argmax(1))
    assert scores[4] > 0.7
    assert scores[1] > 0.7
    assert scores[3] < 0.5


def test_trees_find_the_planted_signal_and_do_without_a_hidden_sequence(built, run):
    patients, loaded = run.patients, method("radiomics").load(run)
    val = patients.select("val") + patients.select("test")
    slices, labels = patients.evaluation_slices(val), patients.labels(val)
    answers = {shown: loaded.probabilities(slices, shown) for shown in (SEQUENCES, ("t1c",), ("t1", "t2", "flair"))}
    for probabilities in answers.values():
        np.testing.assert_allclose(probabilities.sum(1), 1)
    assert matthews_corrcoef(labels, answers[SEQUENCES].argmax(1)) > 0.7
    assert matthews_corrcoef(labels, answers["t1c",].argmax(1)) > 0.6
    assert matthews_corrcoef(labels, answers["t1", "t2", "flair"].argmax(1)) < 0.5
    np.testing.assert_array_equal(answers[SEQUENCES], built.encoder().probabilities(slices, SEQUENCES))


def test_without_trees_there_is_the_regression_alone(run):
    logistic = method("radiomics").build(dataclasses.replace(run, settings=Settings(classifier="logistic")))
    slices = run.patients.evaluation_slices(run.patients.select("val"))
    assert logistic.encoder().probabilities(slices, SEQUENCES) is None
    assert logistic.select_by == "cls"


def test_building_twice_gives_the_same_means_and_loading_gives_the_same_features(built, run):
    again = method("radiomics").build(run)
    np.testing.assert_array_equal(again.network.mean.numpy(), built.network.mean.numpy())
    slices = run.patients.evaluation_slices(run.patients.select("val"))
    loaded = method("radiomics").load(run).features(slices, ("t1c",))["cls"]
    np.testing.assert_array_equal(loaded, built.encoder().features(slices, ("t1c",))["cls"])


def test_a_model_of_other_settings_or_none_is_refused(built, run, tmp_path):
    with pytest.raises(UserError, match=r"model\.safetensors: holds no features of these settings"):
        method("radiomics").load(dataclasses.replace(run, settings=Settings(distances=[1])))
    with pytest.raises(UserError, match=r"run `mmdino train` again"):
        method("radiomics").load(dataclasses.replace(run, folder=tmp_path))
