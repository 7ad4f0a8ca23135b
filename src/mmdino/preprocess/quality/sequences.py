"""Is the file called FLAIR a FLAIR? By how fluid, grey and white matter relate to each other, which no scanner changes."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from mmdino.preprocess.quality.grids import Patient
from mmdino.preprocess.quality.similarity import ranks

LEAST_VOXELS = 100  # of each tissue
RIM = 2  # voxels of the atlas's brain left out: the fluid round the brain is where registration is worst
NAN = float("nan")


def margins(patient: Patient) -> dict[str, dict[str, float]]:
    """Return, for each sequence, by how much it looks like a ``t1`` (t1c too), ``t2`` and ``flair`` (mean ranks, −1 to 1).

    In T1 white matter is brighter than grey; in T2 grey is brighter than white and fluid than both; in FLAIR grey is
    brighter than white, and fluid dark. Tissue is where the atlas has it, tumour left out. Empty where a slab shows
    too little of a tissue.
    """
    places = patient.brain & ~patient.tumour
    tissues = {name: mask & places for name, mask in _tissues(patient.atlas).items()}
    if min(mask.sum() for mask in tissues.values()) < LEAST_VOXELS:
        return {}
    found = {}
    for name, scan in patient.scans.items():
        rank = np.zeros(scan.shape)
        rank[places] = ranks(scan[places])
        fluid, grey, white = (float(rank[tissues[tissue]].mean()) for tissue in ("fluid", "grey", "white"))
        found[name] = {
            "t1": white - grey,
            "t2": min(grey - white, fluid - grey),
            "flair": min(grey - white, grey - fluid),
        }
    return found


def enhancement(patient: Patient) -> float:
    """Return how much the tumour's brightest places gain from t1 to t1c, less what its others lose.

    In interquartile ranges of the healthy brain. Contrast agent only brightens: clearly below 0, the two were
    exchanged. NaN without both sequences or without a tumour.
    """
    tumour = patient.brain & patient.tumour
    if not {"t1", "t1c"} <= set(patient.scans) or tumour.sum() < LEAST_VOXELS:
        return NAN
    healthy = patient.brain & ~tumour
    t1, t1c = (_scaled(patient.scans[name], healthy)[tumour] for name in ("t1", "t1c"))
    low, high = np.quantile(t1c - t1, (0.05, 0.95))
    return float(high + low)


def _scaled(scan: NDArray[np.float32], healthy: NDArray[np.bool_]) -> NDArray[np.float32]:
    low, middle, high = np.quantile(scan[healthy], (0.25, 0.5, 0.75))
    return (scan - middle) / max(high - low, 1e-6)


def alike(patient: Patient) -> tuple[float, str]:
    """Return the highest correlation of two sequences inside the brain, and their names (``t1 and t1c``)."""
    inside = {name: scan[patient.brain].astype(np.float64) for name, scan in patient.scans.items()}
    pairs = [
        (float(np.corrcoef(inside[a], inside[b])[0, 1]), f"{a} and {b}")
        for a, b in combinations(inside, 2)
        if inside[a].std() and inside[b].std()
    ]
    return max(pairs, default=(NAN, ""))


def _tissues(atlas: NDArray[np.float32]) -> dict[str, NDArray[np.bool_]]:
    """Return where the atlas (a T1) shows fluid (its darkest 4 %), grey (20–45 %) and white matter (above 65 %)."""
    deep = binary_erosion(atlas > 0, iterations=RIM, border_value=1)
    if not deep.any():
        return dict.fromkeys(("fluid", "grey", "white"), deep)
    fluid, grey_from, grey_to, white = np.quantile(atlas[deep], (0.04, 0.20, 0.45, 0.65))
    return {
        "fluid": deep & (atlas < fluid),
        "grey": deep & (atlas > grey_from) & (atlas < grey_to),
        "white": deep & (atlas > white),
    }
