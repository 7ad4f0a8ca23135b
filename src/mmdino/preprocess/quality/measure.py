"""One patient in numbers (the columns ``tables.QUALITY``)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mmdino.nifti import Volume
from mmdino.preprocess.quality.flip import flips
from mmdino.preprocess.quality.grids import coarse_patient
from mmdino.preprocess.quality.registration import atlas_dice, outside_brain, similarities
from mmdino.preprocess.quality.sequences import alike, enhancement, margins
from mmdino.preprocess.quality.view import filled, flat_end
from mmdino.tables import SEQUENCES

NAN = float("nan")
Measures = dict[str, float | str]


def measure(
    scans: Mapping[str, Volume],
    brain: NDArray[np.bool_],
    tumour: NDArray[np.uint8],
    atlas: Volume,
    in_view: float = 1.0,
    rough_dice: float = NAN,
) -> Measures:
    """Return a patient's values by column.

    Args:
        scans: sequences by name in atlas space, on one grid.
        brain: mask on the same grid.
        tumour: labels on the same grid.
        atlas: the template on its own grid.
        in_view: share of the atlas's brain in the scanner's field of view, where that is known.
        rough_dice: overlap of the brain with the rough mask, where there was one.
    """
    patient = coarse_patient(scans, brain, tumour, atlas)
    shared, gains, looks = similarities(patient), flips(patient), margins(patient)
    highest, pair = alike(patient)
    return {
        "rough_dice": rough_dice,
        "atlas_dice": atlas_dice(patient),
        **{f"similarity_{name}": shared.get(name, NAN) for name in SEQUENCES},
        "in_view": min(in_view, filled(patient)),
        "flat_end": flat_end(patient),
        **{f"flip_{name}": gains.get(name, NAN) for name in SEQUENCES},
        "tumour_outside": outside_brain(patient),
        "sequence_margin": min((looks[name][expected(name)] for name in looks), default=NAN),
        "looks_like": " ".join(f"{name}={_likeliest(name, looks[name])}" for name in looks),
        "enhancement": enhancement(patient),
        "alike": highest,
        "alike_pair": pair,
    }


def rounded(measures: Measures) -> Measures:
    """Return measures as records and tables hold them: rounded, and nothing where a check could not judge."""
    return {
        name: value if isinstance(value, str) else round(value, 4) for name, value in measures.items() if value == value
    }


def expected(sequence: str) -> str:
    """Return how a sequence should look: a t1c as a t1."""
    return "t1" if sequence == "t1c" else sequence


def _likeliest(name: str, looks: dict[str, float]) -> str:
    best = max(looks, key=lambda kind: looks[kind])
    return name if best == expected(name) else best
