"""Does the patient lie where the atlas lies, the sequences on each other, and the tumour in the brain?"""

import numpy as np

from mmdino.preprocess.images import dice
from mmdino.preprocess.quality.grids import Patient
from mmdino.preprocess.quality.similarity import shared_information


def atlas_dice(patient: Patient) -> float:
    """Return the overlap of the patient's brain with the atlas's on the patient's grid, 0 to 1."""
    return dice(patient.brain, patient.atlas > 0)


def similarities(patient: Patient) -> dict[str, float]:
    """Return by sequence what it shares with the reference sequence; of the reference, with the atlas (0 to 1)."""
    reference = patient.scans[patient.reference]
    healthy = patient.brain & ~patient.tumour
    shared = {name: shared_information(scan, reference, healthy) for name, scan in patient.scans.items()}
    return shared | {
        patient.reference: shared_information(reference, patient.atlas, healthy & np.greater(patient.atlas, 0))
    }


def outside_brain(patient: Patient) -> float:
    """Return the share of the tumour that lies outside the brain, 0 to 1."""
    return float((patient.tumour & ~patient.brain).sum() / max(1, patient.tumour.sum()))
