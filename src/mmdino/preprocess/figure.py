"""One picture a patient for quality control: every sequence in three planes, with brain, tumour and atlas outlines."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdino.files import atomic
from mmdino.nifti import Volume, in_ras
from mmdino.preprocess.registration import resample
from mmdino.tables import SEQUENCES

PLANES = {"axial": 2, "coronal": 1, "sagittal": 0}
BRAIN, TUMOUR, ATLAS = "#39c5bb", "#ffb000", "#ff5da2"


def write_figure(
    path: Path, title: str, scans: Mapping[str, Volume], brain: NDArray[np.bool_], tumour: NDArray, atlas: Volume
) -> None:
    """Draw the registered sequences through the tumour's centre.

    Args:
        path: the PNG.
        title: a line above.
        scans: sequences by name on the atlas's grid, still with skull so that stripping can be judged.
        brain: its mask.
        tumour: labels.
        atlas: the template, on any grid; its outline shows whether registration is right.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    grid = next(iter(scans.values()))

    def turned(array: NDArray) -> NDArray:
        return in_ras(Volume(array, grid.affine)).array

    outlines = {
        ATLAS: turned(resample(atlas, grid, np.eye(4)).array > 0),
        BRAIN: turned(brain),
        TUMOUR: turned(tumour > 0),
    }
    centre = np.argwhere(outlines[TUMOUR]).mean(axis=0).round().astype(int)
    figure = Figure(figsize=(2.6 * len(SEQUENCES), 2.6 * len(PLANES)), dpi=80, facecolor="black")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(PLANES), len(SEQUENCES), squeeze=False)
    for column, name in enumerate(SEQUENCES):
        array = turned(scans[name].array) if name in scans else None
        for row, axis in enumerate(PLANES.values()):
            cell = axes[row, column]
            cell.axis("off")
            if row == 0:
                cell.set_title(name if array is not None else f"{name}: missing", color="white", fontsize=10)
            if array is None:
                continue
            top = np.percentile(array[array > 0], 99.5)
            cell.imshow(np.take(array, centre[axis], axis).T, cmap="gray", vmin=0, vmax=top, origin="lower")
            for colour, outline in outlines.items():
                plane = np.take(outline, centre[axis], axis).T
                if plane.any() and not plane.all() and min(plane.shape) > 1:  # a slab of one plane, seen from its edge
                    cell.contour(plane, levels=[0.5], colors=[colour], linewidths=0.7)
    figure.suptitle(f"{title}   brain teal · tumour amber · atlas pink", color="white", fontsize=9)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=0.92, wspace=0.02, hspace=0.02)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", facecolor="black", metadata={"Software": None})
