"""The checks, one a function: each says in a few words what is wrong with a patient, or nothing.

A value that could not be measured (NaN, empty) is never flagged.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mmdino.config.quality import Quality
from mmdino.preprocess.quality.measure import expected
from mmdino.tables import SEQUENCES

Row = Mapping[str, Any]


def flags(row: Row, qc: Quality) -> list[str]:
    """Return what is wrong with a patient (a row of ``tables.PREPROCESSED``) by the thresholds of a study."""
    return [said for check in CHECKS if (said := check(row, qc))]


def brain_volume(row: Row, qc: Quality) -> str:
    """Flag a brain too small or too large for one; slabs (no ``flat_end``) are not judged."""
    low, high = qc.brain_ml
    wrong = row["flat_end"] == row["flat_end"] and not low <= row["brain_ml"] <= high
    return f"brain of {row['brain_ml']:.0f} ml" if wrong else ""


def brain_masks(row: Row, qc: Quality) -> str:
    """Flag two networks that do not agree on where the brain is."""
    return f"brain mask and rough mask overlap by {row['rough_dice']:.2f}" if row["rough_dice"] < qc.rough_dice else ""


def place(row: Row, qc: Quality) -> str:
    """Flag a brain that does not lie where the atlas's lies."""
    return f"brain and atlas overlap by {row['atlas_dice']:.2f}" if row["atlas_dice"] < qc.atlas_dice else ""


def similarity(row: Row, qc: Quality) -> str:
    """Flag a sequence that shares nothing with the reference (or it with the atlas), or less than in the cohort's others."""
    lowest = min((row[f"similarity_{name}"] for name in SEQUENCES), key=lambda value: (value != value, value))
    if lowest < qc.similarity:
        return f"registration: similarity of {lowest:.3f}, as of strangers"
    if not row["similarity_z"] < qc.similarity_z:
        return ""
    return f"registration: similarity {row['similarity_z']:.1f} robust standard deviations from the cohort's median"


def field_of_view(row: Row, qc: Quality) -> str:
    """Flag a brain of which a scan saw too little."""
    return (
        f"only {row['in_view']:.0%} of the brain in every scan's field of view" if row["in_view"] < qc.in_view else ""
    )


def cut(row: Row, qc: Quality) -> str:
    """Flag a brain that ends in a plane."""
    return f"brain is cut (its end is {row['flat_end']:.0%} of its width)" if row["flat_end"] > qc.flat_end else ""


def flip(row: Row, qc: Quality) -> str:
    """Flag sequences that fit better with left and right exchanged."""
    flipped = [name for name in SEQUENCES if row[f"flip_{name}"] > qc.flip]
    return f"left and right exchanged in {', '.join(flipped)}" if flipped else ""


def tumour_outside(row: Row, qc: Quality) -> str:
    """Flag a segmentation that is not inside the brain."""
    outside = row["tumour_outside"]
    return f"{outside:.0%} of the tumour outside the brain" if outside > qc.tumour_outside else ""


def mixed_up(row: Row, qc: Quality) -> str:
    """Flag files called what they are not."""
    if not row["sequence_margin"] < qc.sequence_margin:
        return ""
    looks = dict(part.split("=") for part in row["looks_like"].split())
    other = [f"{name} looks like a {kind}" for name, kind in looks.items() if expected(kind) != expected(name)]
    return f"sequences mixed up: {', '.join(other)}" if other else ""


def contrast_agent(row: Row, qc: Quality) -> str:
    """Flag t1 and t1c exchanged."""
    return "t1 and t1c exchanged (t1 enhances)" if row["enhancement"] < qc.enhancement else ""


def duplicates(row: Row, qc: Quality) -> str:
    """Flag one scan given as two sequences."""
    return f"{row['alike_pair']} are the same scan" if row["alike"] > qc.alike else ""


CHECKS: tuple[Callable[[Row, Quality], str], ...] = (
    brain_volume,
    brain_masks,
    place,
    similarity,
    field_of_view,
    cut,
    flip,
    tumour_outside,
    mixed_up,
    contrast_agent,
    duplicates,
)
