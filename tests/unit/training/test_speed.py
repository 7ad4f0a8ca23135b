"""What makes training faster or smaller changes nothing, or little, of what it computes."""

import json
import os
import signal

import numpy as np
import pytest
import torch

import gpu
from mmdino.errors import UserError
from mmdino.methods.base import Run, method
from mmdino.methods.common.batch import Unrendered, rendered
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.methods.supervised_vit.settings import Settings as SupervisedSettings
from mmdino.models.layers import Block
from mmdino.training.batches import affordable, batches
from mmdino.training.compiling import compile_blocks
from mmdino.training.device import pin
from mmdino.training.finite import offenders
from mmdino.training.loop import train
from mmdino.training.precision import Precision
from tiny import TINY_MM_DINOV2, TINY_TRAINING

CPU = torch.device("cpu")


def built(patients, folder, name="mm-dinov2", **changes):
    kind, tiny = {"mm-dinov2": (Settings, TINY_MM_DINOV2), "supervised-vit": (SupervisedSettings, TINY_TRAINING)}[name]
    return method(name).build(Run(kind(**{**tiny, "drop_path": 0.0, **changes}), 0, folder, patients))


def gradients(method, step=3):
    method.schedule(step)
    method.network.train()
    losses = method.losses(rendered(method.batch(step)), step)
    losses["loss"].backward()
    found = {name: p.grad for name, p in method.network.named_parameters() if p.grad is not None}
    return {name: value.item() for name, value in losses.items()}, found


@pytest.mark.parametrize("name", ["mm-dinov2", "supervised-vit"])
@pytest.mark.parametrize("changes", [{"accumulate": 3}, {"attention": "plain"}], ids=str)
def test_parts_and_plain_attention_give_the_same_losses_and_gradients(tiny_patients, tmp_path, name, changes):
    losses, found = gradients(built(tiny_patients, tmp_path, name))
    other_losses, other = gradients(built(tiny_patients, tmp_path, name, **changes))
    assert other_losses == pytest.approx(losses, abs=1e-5)
    assert other.keys() == found.keys()
    for key, value in found.items():
        torch.testing.assert_close(other[key], value, atol=1e-5, rtol=1e-4)


def test_parts_hold_the_activations_of_one_part_only(tiny_patients, tmp_path):
    def kept(accumulate):
        method, sizes = built(tiny_patients, tmp_path, accumulate=accumulate, local_crops=0), []
        with torch.autograd.graph.saved_tensors_hooks(lambda x: sizes.append(x.numel()) or x, lambda x: x):
            method.schedule(3)
            method.losses(rendered(method.batch(3)), 3)
        return sum(sizes)

    assert kept(3) < 0.5 * kept(1)


def test_two_workers_and_none_give_the_same_batches(tiny_patients, tmp_path):
    method = built(tiny_patients, tmp_path)
    alone, helped = (list(batches(method, 2, workers, CPU)) for workers in (0, 2))
    assert [step for step, _ in helped] == [step for step, _ in alone] == list(range(2, method.steps))
    for (_, one), (_, other) in zip(alone, helped):
        assert one.subjects == other.subjects
        for name in ("global_crops", "local_crops", "absent", "labels"):
            assert torch.equal(getattr(one, name), getattr(other, name)), name
        assert torch.equal(one.masks.student, other.masks.student)


def test_a_signal_to_the_whole_job_does_not_kill_the_workers(tiny_patients, tmp_path):
    method = built(tiny_patients, tmp_path)
    batch = method.batch

    def told_to_stop(step):
        os.kill(os.getpid(), signal.SIGTERM)
        return batch(step)

    method.batch = told_to_stop
    assert len(list(batches(method, 5, 1, CPU))) == method.steps - 5


def test_bad_input_in_a_worker_is_one_sentence(tiny_patients, tmp_path):
    method = built(tiny_patients, tmp_path)

    def batch(step):
        raise UserError("this slice bank is broken")

    method.batch = batch
    with pytest.raises(UserError) as error:
        list(batches(method, 0, 1, CPU))
    assert str(error.value) == "this slice bank is broken"


def test_where_torch_cannot_compile_training_goes_on_without(tiny_patients, tmp_path, monkeypatch, capsys):
    def broken(*arguments, **options):
        raise RuntimeError("no C++ compiler\n  a traceback of 60 lines")

    monkeypatch.setattr(torch, "compile", broken)
    run = Run(Settings(**{**TINY_MM_DINOV2, "steps": 3, "compile": True}), 0, tmp_path / "seed-0", tiny_patients)
    train(run, method("mm-dinov2").build(run), {})
    assert "compile: torch.compile does not work here (no C++ compiler); going on" in capsys.readouterr().err
    assert (run.folder / "model.safetensors").exists()


def test_every_block_is_compiled_in_place(tiny_patients, tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)
    method = built(tiny_patients, tmp_path)
    names = [name for name, _ in method.network.named_parameters()]
    assert compile_blocks(method.network, CPU)
    assert all(block._compiled_call_impl is not None for block in method.network.modules() if isinstance(block, Block))
    assert [name for name, _ in method.network.named_parameters()] == names


def test_fp16_scales_the_loss_and_unscales_the_gradients_before_clipping():
    precision = Precision("fp16", CPU)
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    seen = []
    with precision.autocast():
        assert (torch.ones(1, 2) @ weight[:, None]).dtype == torch.float16
    precision.backward((weight * torch.tensor([0.25, 0.5])).sum())
    assert (weight.grad > 100).all()
    precision.step(optimizer, lambda: seen.append(weight.grad.clone()))
    torch.testing.assert_close(seen[0], torch.tensor([0.25, 0.5]))
    torch.testing.assert_close(weight.detach(), torch.tensor([0.75, 0.5]))
    before, scale = weight.detach().clone(), precision.scaler.get_scale()
    optimizer.zero_grad()
    precision.backward(weight.sum() * float("inf"))  # an overflow
    precision.step(optimizer, lambda: None)
    assert torch.equal(weight.detach(), before)
    assert precision.scaler.get_scale() < scale


def test_fp16_trains_and_its_scale_is_part_of_a_checkpoint(tiny_patients, tmp_path):
    losses = {}
    for precision in ("fp32", "fp16"):
        settings = Settings(**{**TINY_MM_DINOV2, "steps": 3, "precision": precision})
        run = Run(settings, 0, tmp_path / precision / "seed-0", tiny_patients)
        train(run, method("mm-dinov2").build(run), {}, checkpoint_every=2)
        losses[precision] = [json.loads(line)["loss"] for line in (run.folder / "log.jsonl").read_text().splitlines()]
        assert list((run.folder / "tensorboard").iterdir())
    assert losses["fp16"][0] != losses["fp32"][0]
    assert losses["fp16"][:2] == pytest.approx(losses["fp32"][:2], rel=0.02)  # then an overflow may skip a step

    scaled, resumed = (Precision("fp16", CPU) for _ in range(2))
    scaled.backward(torch.ones((), requires_grad=True))
    scaled.scaler.update(1024.0)
    resumed.scaler.load_state_dict(scaled.scaler.state_dict())
    assert resumed.scaler.get_scale() == 1024


def test_the_patients_whose_images_are_not_finite_are_named(tiny_patients, tmp_path):
    batch = rendered(built(tiny_patients, tmp_path).batch(0))
    count = len(batch.subjects)
    batch.global_crops[count + 2, 0, 3, 4] = float("nan")  # the third patient's second view
    assert offenders(batch, batch.subjects) == [batch.subjects[2]]


def test_diagnostics_tell_a_collapsed_network_from_a_live_one():
    from mmdino.methods.common.rank import effective_rank

    rng = torch.Generator().manual_seed(0)
    assert effective_rank(torch.ones(8, 5)).item() == pytest.approx(1)
    line = torch.randn(64, 1, generator=rng) @ torch.randn(1, 16, generator=rng)
    assert effective_rank(line).item() == pytest.approx(1, abs=0.01)
    assert effective_rank(torch.randn(512, 16, generator=rng)).item() > 15
    assert effective_rank(torch.full((8, 5), torch.nan)).isnan()
    np.testing.assert_allclose(effective_rank(torch.eye(4) - 0.25).item(), 3, atol=1e-3)


def test_fewer_cores_make_fewer_workers_and_it_is_said(monkeypatch, capsys):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1})
    assert [affordable(asked) for asked in (0, 2, 8)] == [0, 2, 2]
    assert capsys.readouterr().err == "workers: 8 are asked for, and there are 2 cores; 2 make the batches\n"


def test_a_pinned_batch_is_pinned_to_its_last_tensor(tiny_patients, tmp_path, monkeypatch):
    pinned = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor) or tensor)
    batch = built(tiny_patients, tmp_path).batch(0)
    again = pin(batch)
    assert again.subjects == batch.subjects
    everything = [batch.global_crops.images, batch.absent, batch.labels, *vars(batch.masks).values()]
    assert [id(tensor) for tensor in pinned].count(
        id(batch.local_crops.images)
    ) == 1  # both are cut from the same slices
    assert {id(tensor) for tensor in pinned} == {id(tensor) for tensor in everything}


def test_what_goes_to_a_gpu_is_slices_and_becomes_the_same_views_there(tiny_patients, tmp_path, monkeypatch):
    method, moved = built(tiny_patients, tmp_path), []
    on_cpu = list(batches(method, 0, 0, CPU))
    monkeypatch.setattr("mmdino.training.batches.move", lambda batch, device: moved.append(batch) or batch)
    on_gpu = list(batches(method, 0, 0, torch.device("cuda")))
    assert all(isinstance(batch.global_crops, Unrendered) for batch in moved)
    for (_, one), (_, other) in zip(on_cpu, on_gpu):
        assert torch.equal(one.global_crops, other.global_crops)
        assert torch.equal(one.local_crops, other.local_crops)


def test_the_gpu_benchmark_runs_at_small_size():
    found = gpu.measure(gpu.SMALL, small=True, workers=0, compiled=False, peak=1.0)
    dim, tokens = gpu.TINY["dim"], gpu.SMALL["batch"] * (3 * 2 * 197 + 3 * 8 * 65 + 2 * 197)  # backward: twice forward
    assert (
        found["runs"]["bf16"]["flops"] > 2 * 12 * dim**2 * gpu.TINY["depth"] * tokens
    )  # the blocks' linear maps alone
    assert 0 < found["waiting_for_data"] < 1
    assert len(found["runs"]["fp32"]["losses"]) == 3
    assert found["largest_loss_difference"] < 0.05
