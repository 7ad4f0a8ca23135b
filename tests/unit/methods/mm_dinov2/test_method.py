from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mmdino.errors import UserError
from mmdino.methods.base import Run
from mmdino.methods.common.batch import rendered
from mmdino.methods.common.draws import Drawn
from mmdino.methods.common.views import Patches
from mmdino.methods.mm_dinov2.masking import block_masks, combine, hidden_sequences
from mmdino.methods.mm_dinov2.method import _require_a_sequence, build, load
from mmdino.methods.mm_dinov2.model import Batch
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.tables import SEQUENCES
from tiny import TINY_MM_DINOV2


def make(patients, tmp_path, **changes):
    return build(Run(Settings(**{**TINY_MM_DINOV2, **changes}), 0, tmp_path, patients))


def random_batch(settings, present, seed=0):
    rng = np.random.default_rng(seed)
    count, sequences = present.shape
    twice = np.tile(present, (2, 1))
    blocks = block_masks(rng, 2 * count, settings.global_size // settings.patch, 0.5, (0.1, 0.5))
    images = torch.Generator().manual_seed(seed)
    return Batch(
        [f"p{number}" for number in range(count)],
        torch.randn(2 * count, sequences, 42, 42, generator=images).requires_grad_(),
        torch.randn(2 * count, sequences, 28, 28, generator=images).requires_grad_(),
        combine(blocks, hidden_sequences(rng, twice, settings.full_modality), twice),
        torch.from_numpy(~present),
        torch.arange(count) % 3,
    )


@pytest.mark.parametrize("full_modality", ["none", "one", "uniform"])
def test_the_ibot_loss_reads_exactly_the_masked_tokens(tiny_patients, tmp_path, full_modality):
    model = make(tiny_patients, tmp_path, full_modality=full_modality).network
    batch = random_batch(model.settings, np.ones((6, 4), bool))
    seen = []
    hook = model.student.backbone.register_forward_hook(lambda module, given, out: seen.append(out.patches))
    parts = model.losses(batch, 0.05)
    hook.remove()
    (gradient,) = torch.autograd.grad(parts["ibot"], seen[0])
    torch.testing.assert_close((gradient != 0).any(-1), batch.masks.student)


def test_pixels_of_masked_patches_have_no_influence_on_the_student(tiny_patients, tmp_path):
    model = make(tiny_patients, tmp_path).network
    batch = random_batch(model.settings, np.ones((6, 4), bool))
    tokens = model.student.backbone(batch.global_crops, model.settings.sequences, batch.masks.student)
    (tokens.cls.sum() + tokens.patches.square().sum()).backward()
    patches = batch.global_crops.grad.unfold(2, 14, 14).unfold(3, 14, 14).flatten(2, 3).flatten(1, 2)
    torch.testing.assert_close((patches != 0).any(-1).any(-1), ~batch.masks.student)


def test_pixels_of_an_absent_sequence_have_no_influence_on_anything(tiny_patients, tmp_path):
    present = np.ones((6, 4), bool)
    present[2, 3] = present[4, :3] = False
    model = make(tiny_patients, tmp_path, full_modality="uniform").network
    batch = random_batch(model.settings, present)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = model.losses(batch, 0.05)
    first["loss"].backward()
    absent = torch.from_numpy(~present).repeat(2, 1)
    assert (batch.global_crops.grad[absent] == 0).all()
    assert (batch.local_crops.grad[absent] == 0).all()
    changed = replace(
        batch,
        global_crops=torch.where(absent[..., None, None], 9.0, batch.global_crops.detach()),
        local_crops=torch.where(absent[..., None, None], 9.0, batch.local_crops.detach()),
    )
    model.load_state_dict(before)
    torch.manual_seed(0)
    model.eval()
    again = model.losses(changed, 0.05)
    model.load_state_dict(before)
    unchanged = model.losses(batch, 0.05)
    for name in again:
        assert again[name] == unchanged[name], name


def test_a_batch_is_a_function_of_seed_and_step(tiny_patients, tmp_path):
    first, second = (make(tiny_patients, tmp_path) for _ in range(2))
    second.batch(0)  # what was asked before must not matter
    ours, theirs = rendered(first.batch(5)), rendered(second.batch(5))
    assert ours.subjects == theirs.subjects
    assert torch.equal(ours.global_crops, theirs.global_crops)
    assert torch.equal(ours.local_crops, theirs.local_crops)
    assert torch.equal(ours.masks.student, theirs.masks.student)
    other = rendered(build(Run(first.settings, 1, tmp_path, tiny_patients)).batch(5))
    assert other.subjects != ours.subjects


def test_only_training_patients_are_drawn_and_labels_are_those_that_training_may_see(tiny_patients, tmp_path):
    method = make(tiny_patients, tmp_path)
    train = set(tiny_patients.select("train"))
    for step in range(6):
        batch = rendered(method.batch(step))
        assert set(batch.subjects) <= train
        np.testing.assert_array_equal(batch.labels, tiny_patients.targets(batch.subjects))


def test_the_backbone_and_the_last_layer_wait(tiny_patients, tmp_path):
    method = make(tiny_patients, tmp_path, freeze_backbone_steps=2, freeze_last_layer_steps=1)
    student = method.network.student

    def step(number):
        before = {name: value.clone() for name, value in student.state_dict().items()}
        method.schedule(number)
        method.network.train()
        method.optimizer.zero_grad()
        method.losses(rendered(method.batch(number)), number)["loss"].backward()
        method.clip()
        method.optimizer.step()
        method.after_step(number)
        return {name for name, value in student.state_dict().items() if not torch.equal(value, before[name])}

    assert step(0) == set()  # the first step of the warm-up has rate 0
    changed = step(1)
    assert changed
    assert all(name.startswith("head.") for name in changed)
    assert {name.split(".")[0] for name in step(2)} == {"backbone", "head"}


def test_encoder_sees_only_what_it_is_shown(tiny_patients, tmp_path):
    encoder = make(tiny_patients, tmp_path).encoder()
    slices = tiny_patients.evaluation_slices(tiny_patients.select("val"))
    shown = ("t1", "flair")
    features, probabilities = encoder.features(slices, shown), encoder.probabilities(slices, shown)
    images = slices.images.copy()
    images[:, [SEQUENCES.index(name) for name in ("t1c", "t2")]] = 0.7
    other = replace(slices, images=images)
    for name, value in encoder.features(other, shown).items():
        np.testing.assert_array_equal(value, features[name])
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert not np.allclose(encoder.features(slices, SEQUENCES)["cls"], features["cls"])


def test_a_class_without_a_labelled_training_patient_is_refused(tiny_patients, tmp_path):
    splits = tiny_patients.splits.copy()
    splits.loc[splits["label"] == "oligodendroglioma", "labelled"] = False
    with pytest.raises(UserError, match="oligodendroglioma"):
        make(type(tiny_patients)(tiny_patients.bank, splits), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"prototypes": 2},
        {"global_size": 50},
        {"warmup_steps": 8},
        {"sequences": ["t1"]},
        {"mask_ratio": (0.5, 1.0)},
        {"labelled_fraction_of_batch": 0.05},
        {"labelled_fraction_of_batch": 0.95},
    ],
)
def test_settings_that_cannot_work_are_refused(changes):
    with pytest.raises(
        ValueError, match=r"greater than|multiple|less than|only one|show something|all of them or none"
    ):
        Settings(**{**TINY_MM_DINOV2, **changes})


@pytest.mark.parametrize("missing", ["mask", "drop"])
def test_patients_who_lack_different_sequences_are_looked_at_together(tiny_patients, tmp_path, missing):
    encoder = make(tiny_patients, tmp_path, missing=missing).encoder()
    slices = tiny_patients.evaluation_slices(tiny_patients.select("val")[:4])
    present = np.ones((4, 4), bool)
    present[1, 0] = present[2, 2] = False
    present[3] = False
    mixed = replace(slices, present=present)
    together, head = encoder.features(mixed, ("t1", "t1c", "t2")), encoder.probabilities(mixed, ("t1", "t1c", "t2"))
    for number in range(4):
        row = slice(number, number + 1)
        alone = replace(slices, images=slices.images[row], tumour=slices.tumour[row], present=present[row])
        for name, value in encoder.features(alone, ("t1", "t1c", "t2")).items():
            np.testing.assert_allclose(together[name][row], value, atol=1e-5)
        np.testing.assert_allclose(head[row], encoder.probabilities(alone, ("t1", "t1c", "t2")), atol=1e-5)


def test_patch_tokens_may_have_a_head_of_their_own(tiny_patients, tmp_path):
    method = make(tiny_patients, tmp_path, projection="separate")
    tensors, metadata = method.exported()
    assert any(name.startswith("patch_head.") for name in tensors)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "model.safetensors", metadata)
    slices = tiny_patients.evaluation_slices(tiny_patients.select("val"))
    read = load(Run(method.settings, 0, tmp_path, tiny_patients)).probabilities(slices, SEQUENCES)
    np.testing.assert_array_equal(read, method.encoder().probabilities(slices, SEQUENCES))
    batch = rendered(method.batch(0))
    model = method.network
    model.losses(batch, 0.05)["ibot"].backward()
    assert model.student.head.mlp[0].weight.grad is None
    assert model.student.patch_head.mlp[0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize("projection", ["shared", "separate"])
def test_a_trained_network_starts_another_run_without_its_heads(tiny_patients, tmp_path, projection):
    tensors, metadata = make(tiny_patients, tmp_path, projection=projection).exported()
    path = tmp_path / "model.safetensors"
    save_file({name: tensor.contiguous() + 1 for name, tensor in tensors.items()}, path, metadata)
    started = make(tiny_patients, tmp_path, backbone=str(path), projection=projection).network.student
    for name, value in started.backbone.state_dict().items():
        torch.testing.assert_close(value, tensors[f"backbone.{name}"] + 1, msg=name)


def test_signs_of_life_tell_a_flat_teacher_from_a_sharp_one(tiny_patients, tmp_path):
    model = make(tiny_patients, tmp_path).network
    count = model.settings.prototypes
    cls = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(0))
    flat = model._signs_of_life(torch.full((2, 6, count), 1 / count), cls)
    sharp = model._signs_of_life(torch.eye(count)[:6].expand(2, 6, count), cls)
    assert flat["teacher_entropy"].item() == pytest.approx(np.log(count))
    assert sharp["teacher_entropy"].item() == pytest.approx(0)
    assert (flat["prototypes_used"].item(), sharp["prototypes_used"].item()) == (1, 6)
    assert sharp["usage_entropy"].item() == pytest.approx(np.log(6))
    assert 3 < sharp["feature_rank"].item() <= 5
    assert sharp["centre_norm"].item() == 0


def test_a_patient_without_any_of_the_sequences_is_refused_by_name():
    present = np.array([[True, False], [False, False]])
    slices = Patches(torch.zeros(2, 2, 8, 8), np.zeros((2, 8, 8), np.uint8), present, np.zeros(2, int))
    with pytest.raises(UserError, match=r"^p1: has none of the sequences"):
        _require_a_sequence(slices, [Drawn("p0", 0), Drawn("p1", 0)])
