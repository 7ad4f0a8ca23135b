from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from mmdino.methods.common.augment import MEAN, STD, Draws, blurring, render, resampling
from mmdino.methods.common.draws import Drawn, Order
from mmdino.methods.common.network import evaluation_views
from mmdino.methods.common.views import View, _draw, draw_views, read_slices, stream
from mmdino.methods.mm_dinov2.settings import Settings

VIEW = View("global 2", 42, (0.5, 1.0), blur=0.5, gamma=True)
SEQUENCES = ["t2", "t1", "t1c", "flair"]


def views(slices, turns):
    return draw_views(slices, turns, [VIEW], 0).render()


def test_a_view_does_not_depend_on_the_rest_of_the_batch(tiny_patients):
    subjects = tiny_patients.select("train")[:6]
    turns = [Drawn(subject, 3) for subject in subjects]
    together = views(read_slices(tiny_patients.bank, turns, SEQUENCES, 0), turns)
    alone = views(read_slices(tiny_patients.bank, turns[4:5], SEQUENCES, 0), turns[4:5])
    torch.testing.assert_close(together[4:5], alone, atol=1e-6, rtol=0)
    other_epoch = [Drawn(subjects[4], 4)]
    later = views(read_slices(tiny_patients.bank, other_epoch, SEQUENCES, 0), other_epoch)
    assert not torch.allclose(alone, later, atol=1e-2)


@given(seed=st.integers(0, 2**32), size=st.sampled_from([28, 56, 98]), source=st.sampled_from([48, 96]))
def test_a_crop_lies_in_the_slice_and_its_weights_sum_to_one(seed, size, source):
    rng = np.random.default_rng(seed)
    tumour = np.zeros((source, source), np.uint8)
    tumour[tuple(rng.integers(0, source, 2))] = 1
    (top, left, height, width), *_ = _draw(tumour, rng, VIEW)
    assert min(top, left) >= 0
    assert top + height <= source
    assert left + width <= source
    weights = resampling(torch.tensor([top]), torch.tensor([height]), source, size)
    torch.testing.assert_close(weights.sum(2), torch.ones(1, size))
    assert (weights[0, :, :top] == 0).all()
    assert (weights[0, :, top + height :] == 0).all()


def test_a_small_crop_is_centred_on_a_tumour_pixel():
    tumour = np.zeros((96, 96), np.uint8)
    tumour[40, 60] = 1
    for seed in range(20):
        (top, left, height, width), *_ = _draw(
            tumour, np.random.default_rng(seed), View("local 1", 56, (0.2, 0.5), 0.5)
        )
        assert abs(top + height / 2 - 40.5) <= 0.5
        assert abs(left + width / 2 - 60.5) <= 0.5


def test_resampling_is_torchs_antialiased_bicubic():
    images = 0.3 + 0.4 * torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))  # nothing is clamped
    for size in (42, 98):
        draws = Draws(np.array([[10, 5, 60, 44]]), np.array([False]), np.zeros(1), np.ones(1))
        cut = images[..., 10:70, 5:49]
        theirs = torch.nn.functional.interpolate(cut, size=(size, size), mode="bicubic", antialias=True).clamp(0, 1)
        ours = render(images, draws, size)
        torch.testing.assert_close(ours * STD + MEAN, theirs, atol=1e-4, rtol=0)


def test_mirroring_turns_rows_round_and_columns_not():
    images = torch.zeros(1, 1, 8, 8)
    images[0, 0, 1, 2] = 1
    flipped = render(images, Draws(np.array([[0, 0, 8, 8]]), np.array([True]), np.zeros(1), np.ones(1)), 8)
    assert flipped[0, 0].argmax() == 6 * 8 + 2


def test_sagittal_slices_are_not_mirrored(tmp_path, tiny_patients):
    subject = tiny_patients.select("train")[0]
    turns = [Drawn(subject, epoch) for epoch in range(20)]
    slices = read_slices(tiny_patients.bank, turns, SEQUENCES, 0)
    axial = views(slices, turns)
    sagittal = views(replace(slices, axis=slices.axis * 0), turns)
    mirrored = [torch.allclose(a, s.flip(1), atol=1e-5) for a, s in zip(axial, sagittal)]
    same = [torch.allclose(a, s, atol=1e-5) for a, s in zip(axial, sagittal)]
    assert all(a != b for a, b in zip(mirrored, same))
    assert 4 < sum(mirrored) < 16


def test_views_are_rendered_where_the_slices_are_and_nothing_waits_for_a_gpu(tiny_patients):
    turns = [Drawn(subject, 0) for subject in tiny_patients.select("train")[:4]]
    drawn = draw_views(read_slices(tiny_patients.bank, turns, SEQUENCES, 0), turns, [VIEW, VIEW], 0)
    with FakeTensorMode() as pretended:  # refuses mixed devices, and to read a value that would have to be waited for
        on_gpu = replace(drawn, images=pretended.from_tensor(drawn.images).to("cuda")).render()
    assert on_gpu.device.type == "cuda"
    assert on_gpu.shape == (8, 4, VIEW.size, VIEW.size)


@pytest.mark.parametrize("flip", ["mended", "released"])
def test_kinds_of_views_are_the_same_together_and_one_after_the_other(tiny_patients, flip):
    turns = [Drawn(subject, 0) for subject in tiny_patients.select("train")[:4]]
    kinds = [replace(VIEW, flip=flip), View("local 1", 42, (0.2, 0.5), blur=0.5, flip=flip)]
    drawn = draw_views(read_slices(tiny_patients.bank, turns, SEQUENCES, 0), turns, kinds, 0)
    assert torch.equal(drawn.together(), drawn.render())


def test_blur_is_a_gaussian_reflected_at_the_borders():
    matrix = blurring(torch.tensor([0.3, 1.0]), 20)
    torch.testing.assert_close(matrix.sum(2), torch.ones(2, 20))
    ratio = matrix[1, 10, 11] / matrix[1, 10, 10]
    torch.testing.assert_close(ratio, torch.tensor(-0.5).exp())
    assert matrix[1, 0, 0] == matrix[1, 10, 10]
    torch.testing.assert_close(matrix[1, 0, 1], 2 * matrix[1, 10, 11])


def test_background_is_equal_in_training_and_evaluation_unless_as_released():
    images = torch.zeros(2, 4, 48, 48)
    images[..., 12:36, 12:36] = torch.rand(24, 24, generator=torch.Generator().manual_seed(0))
    mended = evaluation_views(images, Settings(eval_size=98))
    released = evaluation_views(images, Settings(eval_size=98, eval_transform="released"))
    assert (mended[..., :10, :10] == 0).all()
    assert (released[..., :10, :10] < -1).all()


@given(count=st.integers(1, 30), start=st.integers(0, 200), size=st.integers(1, 40))
def test_everybody_comes_once_an_epoch(count, start, size):
    order = Order([f"p{number}" for number in range(count)], 0, "order")
    turns = order.take(0, start + size)
    assert turns[start:] == order.take(start, size)
    for epoch in range((start + size) // count):
        assert {turn.subject for turn in turns if turn.epoch == epoch} == set(order.subjects)


def test_streams_differ_by_key_and_not_by_process():
    assert stream("a", 1).random() == stream("a", 1).random()
    assert stream("a", 1).random() != stream("a", 2).random()
