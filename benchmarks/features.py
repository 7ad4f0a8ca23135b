"""P7: features of patients under the 15 sets of sequences, beside fifteen passes that each read the volumes again."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import torch
from torch import nn

from mmdino.config import Bank
from mmdino.dataset import slices
from mmdino.dataset.bank import AXIAL, SliceBank
from mmdino.dataset.build import build_bank
from mmdino.dataset.patients import Patients
from mmdino.evaluation.looking import Names, look
from mmdino.evaluation.subsets import SUBSETS
from mmdino.methods.common.network import HeadedViT, ViTEncoder, evaluation_views, starting_backbone, token_masks
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.tables import SEQUENCES
from ratio import Row, compare
from samples import preprocessed, write_patient
from steps import SMALL, TINY


def rows(quick: bool) -> list[Row]:
    patients, size, rounds = (1, TINY, 1) if quick else (2, SMALL, 2)
    with tempfile.TemporaryDirectory() as work:
        folders = [write_patient(Path(work) / f"p{number}", number) for number in range(patients)]
        build_bank(preprocessed(folders), Bank(axes=[AXIAL]), Path(work) / "bank", progress=False)
        known = Patients(SliceBank.open([Path(work) / "bank"]), splits(folders))
        settings = Settings(backbone="random", sequences=list(SEQUENCES), **size)
        network = HeadedViT(starting_backbone(settings, 0), None).eval()
        what, reference = "features under 15 sets of sequences", "15 passes over the volumes, the same network"
        passes = SUBSETS[:2] if quick else SUBSETS
        goal, scale = ("≥", 5.0), (patients, patients * len(passes) / len(SUBSETS))
        found = []
        for extra in ("", ", transformer blocks left out")[: 1 if quick else 2]:
            if extra:
                network.backbone.blocks = nn.ModuleList()
            found.append(
                compare(
                    "P7",
                    what + extra,
                    reference,
                    lambda: ours(network, settings, known),
                    lambda: theirs(network, settings, folders, passes),
                    goal,
                    rounds,
                    scale,
                )
            )
        return found


def ours(network: HeadedViT, settings: Settings, patients: Patients) -> np.ndarray:
    """Return the CLS features (15, N, D) by the suite's way: each slice read and each patch projected once."""
    encoder = ViTEncoder(network, settings)
    seen = look(encoder, patients, patients.select("test"), SUBSETS, with_head=False, title="", progress=False)
    return np.stack([seen[names].values["cls"] for names in SUBSETS])


@torch.no_grad()
def theirs(network: HeadedViT, settings: Settings, folders: list[Path], sets: Sequence[Names]) -> np.ndarray:
    """Return the same features by a pass over the patients' files for each set."""
    passes = []
    for names in sets:
        views = torch.cat([evaluation_views(crop(folder), settings) for folder in folders])
        hidden = torch.tensor([name not in names for name in SEQUENCES]).expand(len(folders), -1)
        passes.append(network.backbone(views, SEQUENCES, token_masks(hidden, views, settings)).cls.numpy())
    return np.stack(passes)


def crop(folder: Path) -> torch.Tensor:
    """Return a patient's axial slice with the most tumour (1, S, 96, 96) in [0, 1], from whole volumes."""
    read = {name: np.asarray(nib.load(folder / f"{folder.name}_{name}.nii.gz").dataobj) for name in (*SEQUENCES, "seg")}
    tumour = read.pop("seg")
    number = int(slices.tumour_voxels(tumour, AXIAL).argmax())
    start = slices.crop_start(tumour[..., number], 96)
    cut = np.stack([slices.crop(volume[..., number], start, 96) for volume in read.values()])
    return torch.from_numpy(slices.scale(cut.astype(np.float32)))[None]


def splits(folders: list[Path]) -> pd.DataFrame:
    """Return the splits table of patients who are all tested."""
    who = {column: [folder.name for folder in folders] for column in ("patient", "subject")}
    return pd.DataFrame({**who, "cohort": "bench", "site": "", "split": "test", "label": "", "labelled": False})
