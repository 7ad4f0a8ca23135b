"""Are left and right where they belong?

One sequence that was mirrored fits the others better when it is mirrored back. A patient all of whose sequences were
mirrored can only be told by an atlas whose halves differ, such as SRI24; the symmetric MNI152 cannot tell.
"""

import numpy as np

from mmdino.preprocess.quality.grids import Patient
from mmdino.preprocess.quality.similarity import shared_information

SYMMETRIC = 0.98  # correlation of the atlas's halves from which it cannot tell left from right
NAN = float("nan")


def flips(patient: Patient) -> dict[str, float]:
    """Return by sequence how much better it fits mirrored (shared information, −1 to 1; above 0 mirrored fits better).

    The reference is held against the atlas (NaN where that is symmetric), the others against the reference.
    """
    reference = patient.scans[patient.reference]
    both = patient.brain & (patient.mirrored(patient.brain) > 0.5)
    gains = {
        name: _gain(patient, scan, reference, both) for name, scan in patient.scans.items() if name != patient.reference
    }
    both &= patient.atlas > 0
    gains[patient.reference] = NAN if _symmetric(patient, both) else _gain(patient, reference, patient.atlas, both)
    return gains


def _gain(patient: Patient, scan: np.ndarray, fixed: np.ndarray, both: np.ndarray) -> float:
    return shared_information(patient.mirrored(scan), fixed, both) - shared_information(scan, fixed, both)


def _symmetric(patient: Patient, both: np.ndarray) -> bool:
    if not both.any():
        return True
    here, there = patient.atlas[both], patient.atlas_mirrored[both]
    return here.std() == 0 or bool(np.corrcoef(here, there)[0, 1] > SYMMETRIC)
