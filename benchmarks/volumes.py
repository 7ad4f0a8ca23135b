"""Patients of BraTS's size, written as the four .nii.gz and the mask that the cohorts hand out."""

from pathlib import Path

import numpy as np
import pandas as pd

from mmdino.nifti import write_volume
from mmdino.tables import PREPROCESSED, SEQUENCES, conform

SHAPE = (240, 240, 155)  # BraTS's, int16


def write_patient(folder: Path, seed: int) -> Path:
    """Write four skull-stripped volumes of smooth noise, half of them background, and a round tumour."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, side) for side in SHAPE), indexing="ij"))
    brain = (grid**2 * np.array([1.9, 1.5, 1.7])[:, None, None, None]).sum(0) < 1
    radius = np.linalg.norm((grid - np.array([0.25, -0.1, 0.2])[:, None, None, None]) / 0.22, axis=0)
    for name in SEQUENCES:
        image = np.where(brain, 600 + 150 * (radius < 1) + rng.normal(0, 30, SHAPE), 0).astype(np.int16)
        write_volume(image, np.eye(4), folder / f"{folder.name}_{name}.nii.gz")
    write_volume((radius < 1).astype(np.uint8), np.eye(4), folder / f"{folder.name}_seg.nii.gz")
    return folder


def preprocessed(folders: list[Path]) -> pd.DataFrame:
    made = [
        {
            "subject": folder.name,
            **{name: str(folder / f"{folder.name}_{name}.nii.gz") for name in (*SEQUENCES, "seg")},
            **{"session": "preop", "cohort": "bench", "stage": "stripped", "seg_source": "cohort", "status": "done"},
        }
        for folder in folders
    ]
    table = pd.DataFrame(made).assign(seconds=0.0, brain_ml=0.0)
    return conform(PREPROCESSED, table.reindex(columns=list(PREPROCESSED.columns), fill_value=""), "bench")
