"""P1, P2: a training sample, and the slice bank that it comes from, beside reading whole volumes."""

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from mmdino.config import Bank
from mmdino.dataset.bank import SliceBank
from mmdino.dataset.build import build_bank
from mmdino.methods.common.batch import Unrendered
from mmdino.methods.common.draws import Drawn
from mmdino.methods.common.views import draw_views, read_slices
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.methods.mm_dinov2.views import global_views, local_views
from mmdino.nifti import write_volume
from mmdino.tables import PREPROCESSED, SEQUENCES, conform
from ratio import Row, compare
from released import sample

SHAPE = (240, 240, 155)  # BraTS's, int16 .nii.gz
BATCH = 64


def rows(quick: bool) -> list[Row]:
    patients, rounds = (2, 3) if quick else (8, 5)
    with tempfile.TemporaryDirectory() as work:
        folders = [write_patient(Path(work) / f"p{number}", number) for number in range(patients)]
        table = preprocessed(folders)
        settings = Settings()
        views = [global_views(settings), local_views(settings)]
        released = [(view.size, view.scale, view.blur, view.gamma) for kinds in views for view in kinds]
        rng = np.random.default_rng(0)
        build_bank(table, Bank(), Path(work) / "bank", progress=False)
        bank = SliceBank.open([Path(work) / "bank"])
        turns = [Drawn(folders[number % patients].name, number) for number in range(BATCH)]

        def drawn() -> list[Unrendered]:
            slices = read_slices(bank, turns, settings.sequences, 0)
            return [draw_views(slices, turns, kinds, 0) for kinds in views]

        def ours() -> None:
            for unrendered in drawn():
                unrendered.render()

        def theirs() -> None:
            for folder in folders[:2]:
                sample(folder, rng, released)

        def build() -> None:
            anew = tempfile.mkdtemp(dir=work)  # into a bank that is there, it would take everybody over
            build_bank(table, Bank(), Path(anew) / "bank", progress=False)

        def read() -> None:
            for folder in folders:
                for path in folder.iterdir():
                    np.asarray(nib.load(path).dataobj)

        return [
            compare(
                "P1",
                "a training sample with its ten views",
                "four volumes read, ten views one by one",
                ours,
                theirs,
                ("≥", 35),
                rounds,
                (BATCH, 2),
            ),
            compare(
                "P1",
                "the same, its views left to a GPU",
                "four volumes read, ten views one by one",
                drawn,
                theirs,
                ("≥", 35),
                rounds,
                (BATCH, 2),
            ),
            compare(
                "P2",
                "the slice bank, a patient",
                "reading the volumes once",
                build,
                read,
                ("≤", 1.3),
                rounds,
                (patients, patients),
            ),
        ]


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
