"""nnU-Net's trainer for one CPU thread: seeded, short epochs, and patients who lack a sequence."""

import random

import numpy as np
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from tqdm import tqdm

EPOCH = 50
MISSING = 0.3


class SegmenterTrainer(nnUNetTrainer):
    """The stock trainer with fewer steps; a sequence in three of ten samples is zeroed, as a missing one will be."""

    bar: tqdm
    generator: np.random.Generator

    def set_up(self, iterations: int, seed: int, bar: tqdm) -> None:
        """Set the length and seed everything that draws."""
        torch.set_num_threads(1)
        self.num_iterations_per_epoch = min(EPOCH, iterations)
        self.num_epochs = max(1, iterations // self.num_iterations_per_epoch)
        self.num_val_iterations_per_epoch = 4
        self.initial_lr = 2e-3
        self.oversample_foreground_percent = 0.5
        self.bar = bar
        self.generator = np.random.default_rng(seed)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (nnU-Net draws from the global state)
        torch.manual_seed(seed)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, PolyLRScheduler]:
        """Use AdamW: with SGD at nnU-Net's rate the enhancing rim is not learnt in a thousand steps."""
        optimizer = torch.optim.AdamW(self.network.parameters(), self.initial_lr, weight_decay=1e-2)
        return optimizer, PolyLRScheduler(optimizer, self.initial_lr, self.num_epochs)

    def train_step(self, batch: dict) -> dict:
        """Zero a sequence in some samples, then step."""
        data = batch["data"]
        for sample in np.flatnonzero(self.generator.random(len(data)) < MISSING):
            data[sample, self.generator.integers(data.shape[1])] = 0
        out = super().train_step(batch)
        self.bar.update()
        return out
