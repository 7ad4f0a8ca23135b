"""Train the starter: a constant rate, from which annealed copies branch off at several lengths (its growth)."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from mmdino.files import atomic, stable_hash, write_json
from mmdino.methods.common.augment import blurring, normalise, resampling, separable
from mmdino.models.vit import MultiModalViT, ViTShape
from mmdino.models.weights import write_backbone
from mmdino.starter.card import write_card
from mmdino.starter.judge import judge
from mmdino.starter.objective import StarterObjective, draw_kept, local_targets
from mmdino.starter.planes import PLANES, SIDE, Planes, load_or_render, targets

SHAPE = ViTShape(dim=128, depth=4, heads=4, stem="conv", layer_scale=1.0)
SIZE = 98


@dataclass(frozen=True)
class Recipe:
    """How long and how: steps of the constant rate, where annealed copies branch off, and their length as a share."""

    patients: int = 6000
    batch: int = 24
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 150
    marks: tuple[int, ...] = (1200, 5000)
    anneal: float = 0.3
    seed: int = 0


def train_starter(work: Path, out: Path, recipe: Recipe) -> None:
    """Train, resuming from ``work`` if it holds a checkpoint; write ``starter-<steps>.safetensors`` at each mark.

    The last of them is also written to ``out`` with a card beside it; ``work/growth.json`` tells how each was judged.
    """
    planes = load_or_render(work / "planes", recipe.patients)
    wanted = targets(planes.statistics)
    torch.manual_seed(recipe.seed)
    model = StarterObjective(MultiModalViT(SHAPE))
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, betas=(0.9, 0.98))
    growth: list[dict] = []
    step, seconds = 0, 0.0
    if (work / "trunk.pt").exists():
        saved = torch.load(work / "trunk.pt", weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step, seconds, growth = saved["step"], saved["seconds"], saved["growth"]
    else:
        growth.append({"steps": 0, "images": 0, "cpu_minutes": 0.0, **judge(model.vit)})
    for mark in recipe.marks:
        if mark <= step:
            continue
        seconds += _run(model, optimizer, planes, wanted, recipe, step, mark, anneal=False)
        step = mark
        trunk = {"model": _copy(model.state_dict()), "optimizer": _copy(optimizer.state_dict())}
        extra = int(mark * recipe.anneal)
        branch = _run(model, optimizer, planes, wanted, recipe, mark, mark + extra, anneal=True)
        images = (mark + extra) * 2 * recipe.batch
        growth.append(
            {"steps": mark + extra, "images": images, "cpu_minutes": (seconds + branch) / 60, **judge(model.vit)}
        )
        for path in (work / f"starter-{mark}.safetensors", out):
            write_backbone(model.vit, path, torch.float16)
        write_json(work / "growth.json", growth)
        write_card(out, growth, recipe)
        print(growth[-1], flush=True)
        model.load_state_dict(trunk["model"])
        optimizer.load_state_dict(trunk["optimizer"])
        with atomic(work / "trunk.pt") as temporary:
            torch.save({**trunk, "step": step, "seconds": seconds, "growth": growth}, temporary)


def _copy(value):
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copy(inner) for inner in value]
    return value.clone() if isinstance(value, torch.Tensor) else value


def _run(
    model, optimizer, planes: Planes, wanted: np.ndarray, recipe: Recipe, start: int, stop: int, anneal: bool
) -> float:
    """Run steps start…stop-1 at the constant rate, or annealed to 0; return CPU seconds."""
    began = time.process_time()
    model.train()
    losses = []
    for step in tqdm(range(start, stop), desc="anneal" if anneal else "starter", disable=None):
        share = (step + 1 - start) / (stop - start)
        rate = 1 - np.sqrt(share) if anneal else min(1.0, (step + 1) / recipe.warmup)
        for group in optimizer.param_groups:
            group["lr"] = recipe.lr * rate
        with torch.autocast("cpu", torch.bfloat16):
            parts = model(*_batch(planes, wanted, recipe, step))
        optimizer.zero_grad()
        parts["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 3.0)
        optimizer.step()
        losses.append([parts[name].item() for name in ("contrast", "regression", "local")])
        if (step + 1) % 100 == 0:
            contrast, regression, local = np.mean(losses, axis=0)
            minutes = (time.process_time() - began) / 60
            print(
                f"step {step + 1} contrast {contrast:.3f} regression {regression:.4f} local {local:.4f} {minutes:.1f} CPU min",
                flush=True,
            )
            losses = []
    return time.process_time() - began


def _batch(planes: Planes, wanted: np.ndarray, recipe: Recipe, step: int):
    """Return views (2B, 4, SIZE, SIZE), kept tokens and targets of a step: two planes of each of B patients."""
    rng = np.random.default_rng(stable_hash("starter", recipe.seed, step))
    who = rng.choice(len(planes.images), recipe.batch, replace=False)
    first = rng.integers(PLANES, size=recipe.batch)
    second = (first + rng.integers(1, PLANES, size=recipe.batch)) % PLANES
    rows, plane = np.concatenate([who, who]), np.concatenate([first, second])
    count = len(rows)
    crops = np.concatenate([planes.images[rows, plane], 255 * planes.tumour[rows, plane][:, None]], axis=1)
    clean = _cut(torch.from_numpy(crops.astype(np.float32) / 255), rng)
    local = local_targets(clean[:, :4], clean[:, 4:], SHAPE.patch)
    views = _disturb(clean[:, :4], rng)
    generator = torch.Generator().manual_seed(stable_hash("kept", recipe.seed, step))
    patches = (SIZE // SHAPE.patch) ** 2
    kept = draw_kept(generator, count, patches, keep=2 * patches)
    return views, kept, torch.from_numpy(wanted[rows, plane]), local


def _cut(crops: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Cut a random part of each crop (B, C, SIDE, SIDE), mirrored half of the time, as (B, C, SIZE, SIZE)."""
    count = len(crops)
    sides = np.rint(rng.uniform(0.7, 1.0, count)[:, None] * SIDE * np.exp(rng.uniform(-0.1, 0.1, (count, 2))))
    sides = np.clip(sides, 48, SIDE).astype(np.int64)
    corner = np.rint((rng.random((count, 2)) * 0.6 + 0.2) * (SIDE - sides)).astype(np.int64)
    top, left, height, width = torch.from_numpy(np.concatenate([corner, sides], axis=1).T.copy())
    rows, columns = resampling(top, height, SIDE, SIZE), resampling(left, width, SIDE, SIZE)
    flip = torch.from_numpy(rng.random(count) < 0.5)[:, None, None]
    return separable(crops, torch.where(flip, rows.flip(1), rows), columns).clamp_(0, 1)


def _disturb(clean: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Add what scanners differ in, drawn for each image and sequence: noise, gamma, blur; then normalise."""
    count = len(clean)
    noise = torch.from_numpy(rng.uniform(0, 0.06, (count, 4, 1, 1)).astype(np.float32))
    noise = noise * torch.from_numpy(rng.standard_normal(clean.shape, np.float32))
    gamma = torch.from_numpy(rng.uniform(0.75, 1.4, (count, 4, 1, 1)).astype(np.float32))
    views = torch.where(clean > 0, (clean + noise).clamp(0, 1) ** gamma, 0)
    sigma = torch.from_numpy(np.where(rng.random(count) < 0.4, rng.uniform(0.3, 1.2, count), 0.05))
    blur = blurring(sigma, SIZE)
    return normalise(separable(views, blur, blur))
