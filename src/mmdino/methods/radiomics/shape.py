"""The tumour's shape in one plane.

The mask was drawn with all sequences in sight, so that these features are hidden with any of them.
"""

import numpy as np
from numpy.typing import NDArray
from skimage.measure import regionprops

SHAPES = ("area", "perimeter", "circularity", "major_axis", "minor_axis", "eccentricity", "extent")


def shape(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return ``SHAPES`` (7,) of a mask (H, W) with a pixel at least: lengths in pixels, ratios in [0, 1]."""
    region = regionprops(mask.astype(np.uint8))[0]
    perimeter = max(region.perimeter, 1.0)  # skimage's estimate of a single pixel is 0
    circularity = min(4 * np.pi * region.area / perimeter**2, 1.0)
    return np.array(
        [
            region.area,
            perimeter,
            circularity,
            region.axis_major_length,
            region.axis_minor_length,
            region.eccentricity,
            region.extent,
        ]
    )
