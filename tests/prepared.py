"""A phantom patient as preprocessing would leave it, at 3 mm: what quality control looks at, in a second of CPU time."""

from dataclasses import dataclass, field

import numpy as np

from mmdino.nifti import Volume
from mmdino.phantom.anatomy import ATLAS
from mmdino.phantom.noise import Grid
from mmdino.phantom.patient import draw_patient, render
from mmdino.preprocess.atlas import load_atlas
from mmdino.preprocess.quality.measure import measure
from mmdino.tables import PREPROCESSED, SEQUENCES

GRID = Grid(ATLAS.origin, (3.0, 3.0, 3.0), tuple(-(-length // 3) for length in ATLAS.shape))


@dataclass
class Prepared:
    """A patient's volumes on :data:`GRID`; plant a fault by changing them."""

    scans: dict[str, np.ndarray]
    brain: np.ndarray
    tumour: np.ndarray
    more: dict = field(default_factory=dict)

    def copy(self) -> "Prepared":
        return Prepared({k: v.copy() for k, v in self.scans.items()}, self.brain.copy(), self.tumour.copy())

    def row(self, atlas=None) -> dict:
        """Return the patient's row of ``tables.PREPROCESSED``."""
        scans = {name: Volume(array, GRID.affine) for name, array in self.scans.items()}
        values = measure(scans, self.brain, self.tumour, atlas or load_atlas("mni152").volume, **self.more)
        brain_ml = float(self.brain.sum()) * 27 / 1000
        empty = {name: "" if kind is str else float("nan") for name, kind in PREPROCESSED.columns.items()}
        return empty | {"status": "done", "stage": "stripped", "cohort": "c", "brain_ml": brain_ml} | values


def prepare(subject: str, site: str = "site-a") -> Prepared:
    """Render a patient straight into atlas space."""
    rendered = render(draw_patient(subject, "default", site, "quality"), GRID)
    return Prepared(dict(zip(SEQUENCES, rendered.images)), rendered.brain, rendered.seg)


def flipped(patient: Prepared) -> None:
    """Left and right exchanged in one file."""
    patient.scans["t2"] = patient.scans["t2"][::-1].copy()


def cut(patient: Prepared) -> None:
    """The top of the head was not scanned."""
    patient.brain[:, :, -18:] = False


def cut_sequence(patient: Prepared) -> None:
    """The lower part of one sequence was not scanned."""
    patient.scans["flair"][:, :, :18] = 0


def mixed_up(patient: Prepared) -> None:
    """Two files bear each other's names."""
    patient.scans["t2"], patient.scans["flair"] = patient.scans["flair"], patient.scans["t2"]


def one_scan_twice(patient: Prepared) -> None:
    """The t1 is a copy of the t1c at another scale."""
    patient.scans["t1"] = 2 * patient.scans["t1c"] + 1


def unregistered(patient: Prepared) -> None:
    """One sequence lies 12 mm beside the others."""
    patient.scans["t2"] = np.roll(patient.scans["t2"], 4, axis=1)


def beside_the_atlas(patient: Prepared) -> None:
    """The patient lies beside the atlas."""
    for name, scan in patient.scans.items():
        patient.scans[name] = np.roll(scan, 14, axis=2)
    patient.brain, patient.tumour = np.roll(patient.brain, 14, axis=2), np.roll(patient.tumour, 14, axis=2)


def brainless(patient: Prepared) -> None:
    """What was kept is a ball of noise."""
    radius = np.linalg.norm(np.indices(patient.brain.shape).T - np.array(patient.brain.shape) / 2, axis=-1).T
    patient.brain = radius < 15
    rng = np.random.default_rng(0)
    patient.scans = {name: rng.uniform(1, 2, scan.shape).astype(np.float32) for name, scan in patient.scans.items()}


def tumour_outside(patient: Prepared) -> None:
    """The segmentation is another patient's."""
    patient.tumour = np.roll(patient.tumour, patient.tumour.shape[0] // 2, axis=0)
    patient.tumour[patient.brain & (np.indices(patient.brain.shape)[2] % 4 > 0)] = 0
    patient.tumour[:3, :20, :20] = 2
