"""The features of one slice: the tumour's intensities, how they change from core to surroundings, texture and shape.

A column belongs to one sequence, or to the difference of two, or (shape) to all four, so that showing fewer sequences
means fewer columns.
"""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, special

from mmdino.methods.radiomics.settings import Settings
from mmdino.methods.radiomics.shape import SHAPES, shape
from mmdino.methods.radiomics.texture import COOCCURRENCES, RUNS, cooccurrence, run_lengths
from mmdino.tables import SEQUENCES

PERCENTILES = (1, 10, 25, 50, 75, 90, 99)
DEPTHS = (0.2, 0.4, 0.6, 0.8)  # share of the greatest depth: limits of five rings inside
MARGINS = (3, 8, 16)  # pixels: outer limits of three rings outside
RINGS = (*(f"inside{ring}" for ring in range(len(DEPTHS) + 1)), *(f"outside{ring}" for ring in range(len(MARGINS))))
BLURS = (1, 2, 4)  # pixels: detail is the image minus its blur
FLAT = 1e-6  # standard deviation below which skewness and correlation mean nothing
PAIRS = tuple(combinations(range(len(SEQUENCES)), 2))


def columns(settings: Settings) -> list[tuple[str, frozenset[str]]]:
    """Return each feature's name and the sequences that it needs, in the order of :func:`extract`."""
    single = [
        *("mean", "sd", "skewness", "kurtosis", "entropy", *(f"p{p}" for p in PERCENTILES)),
        *(f"{ring}_{figure}" for figure in ("mean", "sd") for ring in RINGS),
        *(f"detail{blur}_{figure}" for blur in BLURS for figure in ("sd", "p2", "p98")),
        *(f"glcm{distance}_{texture}" for texture in COOCCURRENCES for distance in settings.distances),
        *(f"glrlm_{figure}" for figure in RUNS),
    ]
    named = [(f"{sequence}_{name}", frozenset([sequence])) for sequence in SEQUENCES for name in single]
    for first, second in ((SEQUENCES[a], SEQUENCES[b]) for a, b in PAIRS):
        for name in ("sd", "p10", "p50", "p90", "correlation"):
            named.append((f"{first}-{second}_{name}", frozenset([first, second])))
    return named + [(f"shape_{name}", frozenset(SEQUENCES)) for name in SHAPES]


def extract(images: NDArray[np.float32], tumour: NDArray[np.uint8], settings: Settings) -> NDArray[np.float32]:
    """Return the features (D,) of one slice; what cannot be computed (an empty ring, no tumour in the crop) is NaN.

    Args:
        images: (4, H, W) in [0, 1].
        tumour: (H, W), 1 in the tumour.
    """
    mask = tumour > 0
    if not mask.any():
        return np.full(len(columns(settings)), np.nan, np.float32)
    rings = _rings(mask)
    single = [
        np.concatenate(
            [
                _first_order(image[mask], settings.grey_levels),
                _ring_figures(image, rings),
                _detail(image, mask),
                _texture(image, mask, settings),
            ]
        )
        for image in images.astype(np.float64)
    ]
    pairs = [_difference(images[a][mask].astype(np.float64), images[b][mask].astype(np.float64)) for a, b in PAIRS]
    return np.concatenate([*single, *pairs, shape(mask)]).astype(np.float32)


def _rings(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return each pixel's ring, in the order of ``RINGS``, or ``len(RINGS)`` where it is far away."""
    depth, distance = ndimage.distance_transform_edt(mask), ndimage.distance_transform_edt(~mask)
    inside = np.digitize(depth / max(depth.max(), 1), DEPTHS, right=True)
    outside = len(DEPTHS) + 1 + np.digitize(distance, MARGINS, right=True)
    return np.where(mask, inside, outside)


def _first_order(values: NDArray, levels: int) -> NDArray:
    shares = np.bincount(np.minimum((values * levels).astype(int), levels - 1), minlength=levels) / len(values)
    mean, spread = values.mean(), values.std()
    if spread > FLAT:
        standard = (values - mean) / spread
        skewness, kurtosis = (standard**3).mean(), (standard**4).mean() - 3
    else:
        skewness = kurtosis = 0.0
    return np.array([mean, spread, skewness, kurtosis, special.entr(shares).sum(), *np.percentile(values, PERCENTILES)])


def _ring_figures(image: NDArray, rings: NDArray[np.int64]) -> NDArray:
    """Return means, then standard deviations by ring."""
    count, total, square = (
        np.bincount(rings.ravel(), weights, len(RINGS) + 1)[: len(RINGS)]
        for weights in (None, image.ravel(), np.square(image).ravel())
    )
    with np.errstate(invalid="ignore"):
        mean = total / count
        return np.concatenate([mean, np.sqrt(np.maximum(square / count - mean**2, 0))])


def _detail(image: NDArray, mask: NDArray[np.bool_]) -> NDArray:
    found: list[float] = []
    for blur in BLURS:
        detail = (image - ndimage.gaussian_filter(image, blur))[mask]
        found += [detail.std(), *np.percentile(detail, (2, 98))]
    return np.array(found)


def _texture(image: NDArray, mask: NDArray[np.bool_], settings: Settings) -> NDArray:
    """Return co-occurrence and run-length figures inside the tumour."""
    place = ndimage.find_objects(mask.astype(np.uint8))[0]
    grey = 1 + np.minimum((image[place] * settings.grey_levels).astype(np.uint8), settings.grey_levels - 1)
    grey = np.where(mask[place], grey, 0).astype(np.uint8)
    return np.concatenate([cooccurrence(grey, settings.grey_levels, settings.distances), run_lengths(grey)])


def _difference(first: NDArray, second: NDArray) -> NDArray:
    apart = first - second
    spread = first.std() * second.std()
    correlation = ((first * second).mean() - first.mean() * second.mean()) / spread if spread > FLAT**2 else 0.0
    return np.array([apart.std(), *np.percentile(apart, (10, 50, 90)), correlation])
