"""Train the starter: a constant rate, from which annealed copies branch off at several lengths (its growth)."""

import copy
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from mmdino.files import atomic, write_json
from mmdino.models.vit import MultiModalViT, ViTShape
from mmdino.models.weights import write_backbone
from mmdino.starter.batch import draw_batch
from mmdino.starter.card import write_card
from mmdino.starter.judge import judge
from mmdino.starter.objective import StarterObjective
from mmdino.starter.planes import Planes, load_or_render, targets

SHAPE = ViTShape(dim=128, depth=4, heads=4, stem="conv", layer_scale=1.0)
SAVE_EVERY = 500  # steps


@dataclass(frozen=True)
class Recipe:
    """How long and how: steps of the constant rate, where annealed copies branch off, and their length as a share."""

    patients: int = 6000
    batch: int = 24
    lr: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 150
    marks: tuple[int, ...] = (1200, 5000, 12000)
    anneal: float = 0.3
    seed: int = 0


@dataclass
class Training:
    """The objective and its optimiser after ``step`` steps, and the CPU seconds that they took."""

    planes: Planes
    wanted: np.ndarray
    recipe: Recipe
    model: StarterObjective
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    growth: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def at_start(cls, planes: Planes, recipe: Recipe) -> "Training":
        """Return the training of an untrained network."""
        torch.manual_seed(recipe.seed)
        model = StarterObjective(MultiModalViT(SHAPE))
        return cls(planes, targets(planes.statistics), recipe, model, _optimizer(model, recipe))

    def branch(self) -> "Training":
        """Return a copy that goes its own way."""
        model = copy.deepcopy(self.model)
        optimizer = _optimizer(model, self.recipe)
        optimizer.load_state_dict(self.optimizer.state_dict())
        return Training(self.planes, self.wanted, self.recipe, model, optimizer, self.step, self.seconds)

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        with atomic(path) as temporary:
            torch.save({**state, "step": self.step, "seconds": self.seconds, "growth": self.growth}, temporary)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint."""
        saved = torch.load(path, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.seconds, self.growth = saved["step"], saved["seconds"], saved["growth"]

    def run(self, stop: int, anneal_from: int | None = None) -> None:
        """Run up to step ``stop``: at the constant rate after the warm-up, or falling to 0 from ``anneal_from`` on."""
        began, losses = time.process_time() - self.seconds, []
        self.model.train()
        for step in tqdm(range(self.step, stop), desc="anneal" if anneal_from else "starter", disable=None):
            if anneal_from is None:
                rate = min(1.0, (step + 1) / self.recipe.warmup)
            else:
                rate = 1 - np.sqrt((step + 1 - anneal_from) / (stop - anneal_from))
            losses.append(self._step(step, self.recipe.lr * rate))
            self.step, self.seconds = step + 1, time.process_time() - began
            if self.step % 100 == 0:
                contrast, regression, local = np.mean(losses, axis=0)
                print(
                    f"step {self.step} contrast {contrast:.3f} regression {regression:.4f} local {local:.4f}"
                    f" {self.seconds / 60:.1f} CPU min",
                    flush=True,
                )
                losses = []

    def _step(self, step: int, lr: float) -> list[float]:
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        batch = draw_batch(self.planes, self.wanted, self.recipe.batch, SHAPE.patch, self.recipe.seed, step)
        with torch.autocast("cpu", torch.bfloat16):
            parts = self.model(*batch)
        self.optimizer.zero_grad()
        parts["loss"].backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 3.0)
        self.optimizer.step()
        return [parts[name].item() for name in ("contrast", "regression", "local")]

    def judged(self) -> dict[str, Any]:
        """Return what it cost so far and what its features are worth."""
        images = self.step * 2 * self.recipe.batch
        return {"steps": self.step, "images": images, "cpu_minutes": self.seconds / 60, **judge(self.model.vit)}


def train_starter(work: Path, out: Path, recipe: Recipe) -> None:
    """Train, going on from ``work``'s checkpoint; write an annealed ``starter-<mark>.safetensors`` at each mark.

    The last of them is also written to ``out`` with a card beside it; ``work/growth.json`` tells how each was judged.
    A checkpoint is written every ``SAVE_EVERY`` steps of the constant rate; an annealing that was cut off begins anew.
    """
    trunk = Training.at_start(load_or_render(work / "planes", recipe.patients), recipe)
    checkpoint = work / "trunk.pt"
    if checkpoint.exists():
        trunk.load(checkpoint)
    else:
        trunk.growth.append(trunk.judged())
    for mark in recipe.marks:
        end = mark + int(mark * recipe.anneal)
        if trunk.step > mark or any(row["steps"] == end for row in trunk.growth):
            continue
        while trunk.step < mark:
            trunk.run(min(mark, trunk.step + SAVE_EVERY))
            trunk.save(checkpoint)
        branch = trunk.branch()
        branch.run(end, anneal_from=mark)
        trunk.growth.append(branch.judged())
        for path in (work / f"starter-{mark}.safetensors", out):
            write_backbone(branch.model.vit, path, torch.float16)
        write_json(work / "growth.json", trunk.growth)
        write_card(out, trunk.growth, recipe)
        print(trunk.growth[-1], flush=True)
        trunk.save(checkpoint)


def _optimizer(model: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, betas=(0.9, 0.98))
