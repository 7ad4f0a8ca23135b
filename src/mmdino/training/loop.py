"""One loop for every method: schedule, batch, losses, backward, clip, step; log, look at validation, keep the best."""

import math
import shutil
import time
from typing import Any

import safetensors.torch
import torch

from mmdino.errors import UserError
from mmdino.files import atomic, stable_hash, write_json
from mmdino.methods.base import Run, Trainable
from mmdino.training.checkpoint import Checkpoints
from mmdino.training.device import best_device, computes_bf16, move
from mmdino.training.interrupt import Interrupt
from mmdino.training.log import Log
from mmdino.training.record import Clock, record
from mmdino.training.selection import Selection

CHECKPOINT_SECONDS = 60.0


def train(run: Run, method: Trainable, identity: dict[str, Any], checkpoint_every: int | None = None) -> None:
    """Train ``method``, or go on from its last checkpoint, and write ``model.safetensors`` and ``run.json``.

    Randomness is a function of seed and step, so that a resumed run ends in the bytes of an undisturbed one (on CPU).

    Args:
        run: settings, seed, folder, patients.
        method: at step 0.
        identity: what must be equal for a resume (see :class:`Checkpoints`).
        checkpoint_every: steps; None: whenever a minute has passed.

    Raises:
        UserError: a loss is not finite (the last checkpoint is kept), or a checkpoint is of other settings.
        Preempted: SIGTERM came; a checkpoint was written.
    """
    device = best_device()
    method.network.to(device)
    bf16 = method.precision == "bf16" or (method.precision == "auto" and computes_bf16(device))
    checkpoints = Checkpoints(run.folder / "checkpoints", identity)
    selection = Selection(run.patients, run.seed)
    start, best, clock = _resume(checkpoints, method)
    saved = time.monotonic()
    with Interrupt() as interrupt, Log(run.folder / "log.jsonl", start, method.steps) as log:
        for step in range(start, method.steps):
            begun = time.monotonic()
            torch.manual_seed(stable_hash(run.seed, "step", step))
            method.network.train()
            scheduled = method.schedule(step)
            batch = move(method.batch(step), device)
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                losses = method.losses(batch, step)
            values = {name: float(value.detach()) for name, value in losses.items()}
            _require_finite(values, step, batch)
            assert method.optimizer is not None
            method.optimizer.zero_grad(set_to_none=True)
            losses["loss"].backward()
            method.clip()
            method.optimizer.step()
            method.after_step(step)

            done = step + 1
            values.update(scheduled, images_per_second=_size(batch) / (time.monotonic() - begun))
            if _due(done, method):
                scores = selection.scores(method.encoder())
                values.update({f"val_mcc_{name}": score for name, score in scores.items()})
                if best is None or scores[method.select_by] > best["mcc"][method.select_by]:
                    best = {"step": done, "mcc": scores}
                    _export(method, checkpoints.best)
            log.write(done, values)

            stop = interrupt.received is not None
            late = (
                time.monotonic() - saved > CHECKPOINT_SECONDS
                if checkpoint_every is None
                else done % checkpoint_every == 0
            )
            if stop or (late and done < method.steps):
                checkpoints.save(done, _state(method, best, clock))
                saved = time.monotonic()
            if stop:
                interrupt.raise_if_received(done)

    if best is None:  # nothing to train
        best = {"step": 0, "mcc": selection.scores(method.encoder())}
        _export(method, checkpoints.best)
    trained = sum(parameter.numel() for parameter in method.network.parameters() if parameter.requires_grad)
    results = {"steps": method.steps, "best": best, "selected_by": method.select_by, "trainable_parameters": trained}
    with atomic(run.folder / "model.safetensors") as temporary:
        shutil.copyfile(checkpoints.best, temporary)
    write_json(run.folder / "run.json", record(checkpoints.identity, checkpoints.key, device, clock, **results))
    checkpoints.clear()


def _resume(checkpoints: Checkpoints, method: Trainable) -> tuple[int, dict[str, Any] | None, Clock]:
    state = checkpoints.load()
    if state is None:
        return 0, None, Clock()
    method.network.load_state_dict(state["network"])
    if method.optimizer is not None:
        method.optimizer.load_state_dict(state["optimizer"])
    return state["step"], state["best"], Clock(*state["seconds"])


def _state(method: Trainable, best: dict[str, Any] | None, clock: Clock) -> dict[str, Any]:
    assert method.optimizer is not None
    return {
        "network": method.network.state_dict(),
        "optimizer": method.optimizer.state_dict(),
        "best": best,
        "seconds": (clock.cpu, clock.wall),
    }


def _due(done: int, method: Trainable) -> bool:
    return done == method.steps or (method.evaluate_every > 0 and done % method.evaluate_every == 0)


def _export(method: Trainable, path: Any) -> None:
    tensors, metadata = method.exported()
    with atomic(path) as temporary:
        safetensors.torch.save_file(
            {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, temporary, metadata
        )


def _require_finite(values: dict[str, float], step: int, batch: Any) -> None:
    wrong = [name for name, value in values.items() if not math.isfinite(value)]
    if wrong:
        patients = ", ".join(getattr(batch, "subjects", []))
        raise UserError(
            f"training: {', '.join(wrong)} is not finite at step {step + 1} (patients {patients}); "
            "the last good checkpoint is kept: lower the learning rate, or look at these patients' images"
        )


def _size(batch: Any) -> int:
    return len(getattr(batch, "subjects", ()))
