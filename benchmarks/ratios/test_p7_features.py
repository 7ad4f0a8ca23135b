"""P7: features of patients under the 15 sets of sequences, beside fifteen passes that each read the volumes again."""

from collections.abc import Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from goals import times_faster
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
from steps import SMALL, TINY
from volumes import preprocessed, write_patient


@pytest.fixture
def folders(tmp_path, quick):
    return [write_patient(tmp_path / f"p{number}", number) for number in range(1 if quick else 2)]


@pytest.fixture
def compared(beside, folders, tmp_path, quick):
    """Return what times a network's features under all sets."""
    build_bank(preprocessed(folders), Bank(axes=[AXIAL]), tmp_path / "bank")
    known = Patients(SliceBank.open([tmp_path / "bank"]), splits(folders))
    passes = SUBSETS[:2] if quick else SUBSETS

    def compare(what: str, network: HeadedViT, settings: Settings) -> None:
        beside(
            *("P7", what, "15 passes over the volumes, the same network"),
            lambda: ours(network, settings, known),
            lambda: theirs(network, settings, folders, passes),
            times_faster(5, guard=5),
            rounds=1 if quick else 2,
            per=(len(folders), len(folders) * len(passes) / len(SUBSETS)),
        )

    return compare


@pytest.fixture
def settings(quick):
    return Settings(backbone="random", sequences=list(SEQUENCES), **(TINY if quick else SMALL))


@pytest.fixture
def network(settings):
    return HeadedViT(starting_backbone(settings, 0), None).eval()


def test_p7_features_under_all_sets(compared, network, settings):
    compared("features under 15 sets of sequences", network, settings)


@pytest.mark.whole
def test_p7_without_the_transformers_blocks(compared, network, settings):
    network.backbone.blocks = nn.ModuleList()
    compared("the same, transformer blocks left out", network, settings)


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
