"""One loop for every method: schedule, batch, losses, backward, clip, step; log, look at validation, keep the best."""

import shutil
import time
from contextlib import ExitStack
from typing import Any

import torch

from mmdino.errors import UserError
from mmdino.files import atomic, stable_hash, write_json
from mmdino.methods.base import Run, Trainable
from mmdino.methods.common.processes import anywhere, rank, sum_gradients, wait_for_all, world_size
from mmdino.training.batches import batches
from mmdino.training.checkpoint import Checkpoints
from mmdino.training.compiling import compile_blocks
from mmdino.training.device import best_device
from mmdino.training.finite import require_finite
from mmdino.training.interrupt import Interrupt
from mmdino.training.log import Log
from mmdino.training.memory import fallback
from mmdino.training.precision import Precision
from mmdino.training.record import Clock, record
from mmdino.training.selection import Best

CHECKPOINT_SECONDS = 60.0


def train(
    run: Run, method: Trainable, identity: dict[str, Any], checkpoint_every: int | None = None, workers: int = 0
) -> None:
    """Train ``method``, or go on from its last checkpoint, and write ``model.safetensors`` and ``run.json``.

    Randomness is a function of seed and step, so that a resumed run ends in the bytes of an undisturbed one (on CPU).
    Of several processes (``torchrun``) each takes its share of every batch, and the first writes the files.

    Args:
        run: settings, seed, folder, patients.
        method: at step 0.
        identity: what must be equal for a resume (see :class:`Checkpoints`).
        checkpoint_every: steps; None: whenever a minute has passed.
        workers: processes that make batches ahead; 0: this one does.

    Raises:
        UserError: a loss is not finite (the last checkpoint is kept), a checkpoint is of other settings, or the method
            knows no several processes.
        Preempted: SIGTERM came; a checkpoint was written.
    """
    if world_size() > 1 and not method.shares_batch:
        raise UserError(f"{type(method).__name__} trains in one process; start it without torchrun")
    device, writes = best_device(), rank() == 0
    method.network.to(device)
    if method.compile:
        compile_blocks(method.network, device)
    precision = Precision(method.precision, device)
    checkpoints = Checkpoints(run.folder / "checkpoints", identity)
    start, found, clock = _resume(checkpoints, method, precision, device)
    best = Best(run, method, checkpoints.best, found) if writes else None
    saved = time.monotonic()
    with ExitStack() as stack:
        interrupt = stack.enter_context(Interrupt())
        log = stack.enter_context(Log(run.folder, start, method.steps)) if writes else None
        for step, batch in batches(method, start, workers, device):
            torch.manual_seed(stable_hash(run.seed, "step", method.draws(step)) + rank())
            method.network.train()
            scheduled = method.schedule(step)
            with precision.autocast():
                losses = method.losses(batch, step)
            values = {name: float(value.detach()) for name, value in losses.items()}
            require_finite(values, step, batch)
            assert method.optimizer is not None
            method.optimizer.zero_grad(set_to_none=True)
            precision.backward(losses["loss"])
            sum_gradients(method.network.parameters())
            precision.step(method.optimizer, method.clip)
            method.after_step(step)

            done = step + 1
            if best is not None and log is not None:
                looked = best.look(done) if _due(done, method) else {}
                log.write(done, {**values, **scheduled, **looked}, world_size() * len(getattr(batch, "subjects", ())))
            stop = anywhere(interrupt.received is not None, device)
            late = done % checkpoint_every == 0 if checkpoint_every else time.monotonic() - saved > CHECKPOINT_SECONDS
            if best is not None and (stop or (late and done < method.steps)):
                checkpoints.save(done, _state(method, precision, best.found, clock))
                saved = time.monotonic()
            if stop:
                wait_for_all()  # until the checkpoint is there
                interrupt.stop(done)

    if best is not None:
        _finish(run, method, best, checkpoints, device, clock)
    wait_for_all()


def _due(done: int, method: Trainable) -> bool:
    return done == method.steps or (method.evaluate_every > 0 and done % method.evaluate_every == 0)


def _resume(
    checkpoints: Checkpoints, method: Trainable, precision: Precision, device: torch.device
) -> tuple[int, dict[str, Any] | None, Clock]:
    state = checkpoints.load()
    if state is None:
        return 0, None, Clock(device)
    method.network.load_state_dict(state["network"])
    if method.optimizer is not None:
        method.optimizer.load_state_dict(state["optimizer"])
    precision.scaler.load_state_dict(state["scaler"])
    method.resumed(state["step"])
    cpu, wall = state["seconds"]
    return state["step"], state["best"], Clock(device, cpu, wall, state.get("joules", 0.0))


def _state(method: Trainable, precision: Precision, best: dict[str, Any] | None, clock: Clock) -> dict[str, Any]:
    assert method.optimizer is not None
    return {
        "network": method.network.state_dict(),
        "optimizer": method.optimizer.state_dict(),
        "scaler": precision.scaler.state_dict(),
        "best": best,
        "seconds": (clock.cpu, clock.wall),
        "joules": clock.joules,
    }


def _finish(
    run: Run, method: Trainable, best: Best, checkpoints: Checkpoints, device: torch.device, clock: Clock
) -> None:
    if best.found is None:  # nothing to train
        best.look(0)
    assert best.found is not None
    trained = sum(parameter.numel() for parameter in method.network.parameters() if parameter.requires_grad)
    results = {
        "steps": method.steps,
        "best": best.found,
        "selected_by": method.select_by,
        "trainable_parameters": trained,
        "memory_fallback": fallback(run.folder, checkpoints.key),
        **method.told(),
    }
    with atomic(run.folder / "model.safetensors") as temporary:
        shutil.copyfile(checkpoints.found(best.found), temporary)
    write_json(run.folder / "run.json", record(checkpoints.identity, checkpoints.key, device, clock, **results))
    checkpoints.clear()
