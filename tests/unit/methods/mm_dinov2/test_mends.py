"""What we mend of the released code (docs/method.md): each property holds as mended, and fails as released."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch

from mmdino.dataset import slices
from mmdino.methods.base import Run
from mmdino.methods.common.augment import MEAN, STD
from mmdino.methods.common.draws import Drawn
from mmdino.methods.common.network import evaluation_views
from mmdino.methods.common.optimise import batch_class_weights
from mmdino.methods.common.views import Patches, View, _draw, draw_views
from mmdino.methods.mm_dinov2.masking import block_masks, combine
from mmdino.methods.mm_dinov2.method import build
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.methods.mm_dinov2.views import global_views
from mmdino.tables import SEQUENCES
from mmdino.training.loop import train
from tiny import TINY_MM_DINOV2

TURNS = [Drawn(f"p{number}", 0) for number in range(24)]
both = pytest.mark.parametrize("rule", ["mended", "released"])


def patches(images, axis=2):
    """Return the same slice (H, W), all tumour, for every turn."""
    stack = torch.from_numpy(images.astype(np.float32)).expand(len(TURNS), 1, -1, -1)
    size = images.shape[-1]
    tumour = np.ones((len(TURNS), size, size), np.uint8)
    return Patches(stack, tumour, np.ones((len(TURNS), 1), bool), np.full(len(TURNS), axis))


@both
def test_a_one_class_batchs_gradient_points_towards_the_truth(tiny_patients, tmp_path, rule):
    weight = "train" if rule == "mended" else "batch"
    model = build(Run(Settings(**TINY_MM_DINOV2, class_weight=weight), 0, tmp_path, tiny_patients)).network
    scores = torch.zeros(1, 4, 8, requires_grad=True)
    model._supervise([scores], torch.tensor([1, 1, 1, -1])).backward()
    assert bool((scores.grad[0, :3, 1] < 0).all()) == (rule == "mended")


@both
def test_without_full_modality_masking_the_ibot_loss_reads_the_tokens_that_were_masked(rule):
    rng = np.random.default_rng(0)
    blocks = block_masks(rng, 8, 7, 0.5, (0.1, 0.5))
    present = np.ones((8, 4), bool)
    masks = combine(blocks, np.zeros_like(present), present, rule)
    marked = masks.student.flatten()
    assert bool(marked[masks.indices].all()) == (rule == "mended")
    if (
        rule == "released"
    ):  # the rest of the crop is as it was: an index is one sequence's, used on all sequences' tokens
        np.testing.assert_array_equal(masks.indices, np.flatnonzero(blocks))


@both
def test_the_evaluation_crops_background_equals_the_training_crops(rule):
    image = np.zeros((48, 48))
    image[12:36, 12:36] = np.random.default_rng(0).uniform(0.2, 1, (24, 24))
    trained = draw_views(patches(image), TURNS, [View("whole", 42, (1.0, 1.0), blur=0.0)], 0).render()
    images = torch.from_numpy(image.astype(np.float32)).expand(1, 4, -1, -1)
    looked = evaluation_views(images, Settings(eval_size=42, eval_transform=rule))
    assert (trained[:, 0, 0, 0] == 0).any()
    assert bool((looked[..., 0, 0] == 0).all()) == (rule == "mended")


@both
def test_a_crop_is_centred_on_the_tumour_within_half_a_pixel(rule):
    tumour = np.zeros((96, 96), np.uint8)
    tumour[40, 60] = 1
    view = View("local 1", 56, (0.2, 0.5), 0.5, crops=rule)
    boxes = np.array([_draw(tumour, np.random.default_rng(seed), view)[0] for seed in range(50)])
    off = np.abs(boxes[:, :2] + boxes[:, 2:] / 2 - [40.5, 60.5]).max()
    assert (off <= 0.5) == (rule == "mended")


@both
def test_a_crop_at_the_far_border_keeps_its_size(rule):
    tumour = np.zeros((96, 96), np.uint8)
    tumour[94, 94] = 1
    view = View("local 1", 56, (0.4, 0.4), 0.5, crops=rule)
    heights = np.array([_draw(tumour, np.random.default_rng(seed), view)[0][2] for seed in range(20)])
    assert bool((heights == 38).all()) == (rule == "mended")


@both
def test_multi_label_and_binary_masks_choose_the_same_slice(rule):
    labels = np.zeros((8, 9, 10), np.uint8)
    labels[3, :5, :5] = 1
    labels[6, :3, :3] = 4
    chosen = [slices.tumour_voxels(mask, 0, rule).argmax() for mask in (labels, (labels > 0).astype(np.uint8))]
    assert (chosen[0] == chosen[1]) == (rule == "mended")


@both
def test_a_bank_crop_is_centred_within_half_a_pixel(rule):
    tumour = np.zeros((64, 64), bool)
    tumour[20:24, 30] = tumour[24, 30:32] = True
    start = slices.crop_start(tumour, 16, rule)
    off = np.abs(np.add(start, 7.5) - np.argwhere(tumour).mean(0)).max()
    assert (off <= 0.5) == (rule == "mended")


@both
def test_flips_are_left_right(rule):
    image = np.zeros((48, 48))
    image[:24] = 0.5  # the left half: rows run from left to right
    image[:, :24] += 0.5  # the back half
    seen = draw_views(patches(image), TURNS, [View("whole", 48, (1.0, 1.0), blur=0.0, flip=rule)], 0).render()[:, 0]
    left = [bool(view[:20].mean() > view[28:].mean()) for view in seen]
    back = [bool(view[:, :20].mean() > view[:, 28:].mean()) for view in seen]
    assert (all(back), all(left)) == ((True, False) if rule == "mended" else (False, True))


@both
def test_the_first_global_view_is_always_blurred_and_the_second_seldom(rule):
    edge = np.repeat([[0.2], [0.8]], 24, axis=0) * np.ones(48)
    first, second = global_views(Settings(blur=rule))
    sharp = {}
    for view in (first, second):
        whole = View(view.name, 48, (1.0, 1.0), blur=view.blur)
        seen = draw_views(patches(edge), TURNS, [whole], 0).render()[:, 0] * STD + MEAN
        steps = np.abs(np.diff(seen[:, :, 24].numpy(), axis=1)).max(1)
        sharp[view.name] = np.mean(steps > 0.59)
    assert (sharp["global 1"] < sharp["global 2"]) == (rule == "mended")


@both
def test_gammas_differ_from_batch_to_batch(tiny_patients, tmp_path, rule):
    method = build(Run(Settings(**TINY_MM_DINOV2, gamma=rule), 0, tmp_path, tiny_patients))
    batches = [method.batch(step).global_crops.draws for step in (0, 1)]
    assert all((first.gamma == 1).all() for first, _ in batches)  # the second view alone is bent
    bent = [second.gamma for _, second in batches]
    assert len(set(bent[0])) == len(bent[0])
    assert bool((bent[0] != bent[1]).all()) == (rule == "mended")


class Died(Exception):
    """Stands for a process that is gone."""


def watched(patients, folder, settings, dies_at=None):
    """Train, or go on; return for each step its patients, the seed of its draws, and whether the backbone learns."""
    run = Run(settings, 0, folder / "seed-0", patients)
    run.folder.mkdir(parents=True, exist_ok=True)
    method = build(run)
    losses, seen = method.losses, {}

    def noted(batch, step):
        if step == dies_at:
            raise Died
        seen[step] = batch.subjects, torch.initial_seed(), method.student.backbone.norm.weight.requires_grad
        return losses(batch, step)

    method.losses = noted
    with nullcontext() if dies_at is None else pytest.raises(Died):
        train(run, method, {}, checkpoint_every=2)
    return seen


@both
def test_drop_path_draws_anew_after_a_look_at_validation(tiny_patients, tmp_path, rule):
    settings = Settings(**TINY_MM_DINOV2, drop_path_draws=rule)
    seeds = [seed for _, seed, _ in watched(tiny_patients, tmp_path, settings).values()]
    assert len(set(seeds)) == (settings.steps if rule == "mended" else settings.evaluate_every)


@both
def test_a_resumed_run_goes_on_with_its_data_and_its_backbone(tiny_patients, tmp_path, capsys, rule):
    settings = Settings(**TINY_MM_DINOV2, resume=rule)
    undisturbed = watched(tiny_patients, tmp_path / "undisturbed", settings)
    watched(tiny_patients, tmp_path / "died", settings, dies_at=6)
    resumed = watched(tiny_patients, tmp_path / "died", settings)
    assert list(resumed) == [6, 7]
    went_on = [resumed[step] == undisturbed[step] for step in resumed]
    assert went_on == [rule == "mended"] * 2
    if rule == "released":
        assert [resumed[step][0] for step in resumed] == [undisturbed[step][0] for step in (0, 1)]
        assert not any(learns for _, _, learns in resumed.values())
        assert "resume: released" in capsys.readouterr().err


@both
def test_sequences_that_are_left_keep_their_own_embeddings(tiny_patients, tmp_path, rule):
    settings = Settings(**TINY_MM_DINOV2, missing="drop", fewer_sequences=rule)
    method = build(Run(settings, 0, tmp_path, tiny_patients))
    patients = tiny_patients.evaluation_slices(tiny_patients.select("val")[:3])
    before = method.encoder().features(patients, ("t1c", "flair"))["cls"]
    with torch.no_grad():
        for name in ("t1c", "flair"):
            method.network.teacher.backbone.mri_seq_embed.weight[SEQUENCES.index(name)] += 1
    after = method.encoder().features(patients, ("t1c", "flair"))["cls"]
    assert bool((before != after).any()) == (rule == "mended")


def test_a_class_that_a_batch_lacks_weighs_as_in_the_training_set():
    labels = torch.tensor([1, 1, 0, -1])
    assert batch_class_weights(labels, 3)[2] > 14  # the released code: log(n / 1e-6)
