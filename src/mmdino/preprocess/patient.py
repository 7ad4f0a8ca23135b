"""One patient's way from scans to stripped atlas space, a function for each stage in which cohorts come."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmdino.config import Preprocess
from mmdino.errors import UserError
from mmdino.nifti import (
    RESAMPLE,
    Volume,
    on_one_grid,
    read_labels,
    read_volume,
    require_same_space,
    same_space,
    write_volume,
)
from mmdino.preprocess import registration
from mmdino.preprocess.atlas import Atlas
from mmdino.preprocess.bids import Names
from mmdino.preprocess.brain import extract_brain, made_by, rough_brain
from mmdino.preprocess.figure import write_figure
from mmdino.preprocess.images import dice, harmonise, masked
from mmdino.preprocess.quality.grids import REFERENCES
from mmdino.preprocess.quality.measure import Measures, measure
from mmdino.preprocess.quality.view import in_view
from mmdino.preprocess.segment import harmonise_labels, segment
from mmdino.tables import SEQUENCES

LEAST_OVERLAP = 0.6
REGISTER = "declare the cohort `stage: native` to have it registered, or mend the header"  # of heads with skull
Row = dict[str, str]


@dataclass
class Result:
    """What a patient's row says, and what each step cost."""

    row: Row = field(default_factory=dict)
    brain_ml: float = float("nan")
    measures: Measures = field(default_factory=dict)
    made_by: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    steps: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the CPU seconds of a block to a step."""
        start = time.process_time()
        yield
        self.steps[name] = self.steps.get(name, 0.0) + time.process_time() - start


def native(row: Row, names: Names, atlas: Atlas, settings: Preprocess, together: bool = False) -> Result:
    """Register whole heads to the reference and that to the atlas, resample each scan once, strip and segment.

    ``together``: the sequences share a space already, and only the reference is registered.
    """
    result = Result()
    with result.step("read"):
        scans = {name: harmonise(read_volume(row[name]), row[name]) for name in _given(row)}
        if together:
            require_same_space({row[name]: scan for name, scan in scans.items()}, REGISTER)
        given = _given_labels(row, scans)
    reference = next(name for name in REFERENCES if name in scans)
    if reference != "t1c":
        result.notes.append(f"no t1c: registered by {reference}")
    with result.step("rough brain"):
        rough = rough_brain(scans[reference])
    pulls = {}
    with result.step("registration"):
        to_atlas = registration.register(atlas.volume, masked(scans[reference], rough), settings.registration)
        for name, scan in scans.items():
            there = together or name == reference
            pull = np.eye(4) if there else registration.register(scans[reference], scan, "rigid")
            pulls[name] = pull @ to_atlas
    with result.step("resampling"):
        moved = {name: registration.resample(scan, atlas.volume, pulls[name]) for name, scan in scans.items()}
        near = registration.resample(Volume(rough, scans[reference].affine), atlas.volume, to_atlas).array > 0.5
    brain = _strip(moved[reference], near, settings, result)
    _check_overlap(brain, atlas)
    tumour = None
    if given is not None:
        with result.step("resampling"):
            tumour = registration.resample_labels(given[1], atlas.volume, pulls[given[0]])
    labels = _finish(row, names, moved, brain, tumour, settings, result)
    for name, pull in pulls.items():
        registration.write_pull(pull, names.path(f"transform-{name}"))
    result.row["transforms"] = str(names.path("transforms"))
    views = [(scan.array.shape, scan.affine, pulls[name]) for name, scan in scans.items()]
    with result.step("quality"):
        seen = in_view(atlas.volume, views)
        result.measures = measure(moved, brain, labels, atlas.volume, seen, dice(brain, near))
    _draw(names, moved, brain, labels, atlas.volume, result)
    return result


def registered(row: Row, names: Names, atlas: Atlas, settings: Preprocess) -> Result:
    """Strip and segment scans that share a space with each other already but still have their skulls."""
    result = Result()
    with result.step("read"):
        scans, given = _on_one_grid(row, REGISTER)
    brain = _strip(scans[next(name for name in REFERENCES if name in scans)], None, settings, result)
    tumour = _finish(row, names, scans, brain, given, settings, result)
    with result.step("quality"):
        result.measures = measure(scans, brain, tumour, atlas.volume)
    _draw(names, scans, brain, tumour, atlas.volume, result)
    return result


def elsewhere(row: Row, names: Names, atlas: Atlas, settings: Preprocess) -> Result:
    """Register scans that share a space and are stripped, but in another space than the atlas's: nothing is stripped."""
    result = Result()
    with result.step("read"):
        scans = {name: harmonise(read_volume(row[name]), row[name]) for name in _given(row)}
        labels = {name: harmonise(volume, row["seg"]) for name, volume in _labels(row).items()}
        require_same_space({row[name]: scan for name, scan in (scans | labels).items()})
    reference = scans[next(name for name in REFERENCES if name in scans)]
    inside = Volume(_inside(scans), reference.affine)
    with result.step("registration"):
        pull = registration.register(atlas.volume, reference, settings.registration)
    with result.step("resampling"):
        moved = {name: registration.resample(scan, atlas.volume, pull) for name, scan in scans.items()}
        brain = registration.resample(inside, atlas.volume, pull).array > 0.5
        tumour = registration.resample_labels(labels["seg"], atlas.volume, pull) if labels else None
    result.brain_ml = float(brain.sum()) * atlas.volume.voxel_ml
    _check_overlap(brain, atlas)
    found = _finish(row, names, moved, brain, tumour, settings, result)
    for name in scans:
        registration.write_pull(pull, names.path(f"transform-{name}"))
    result.row["transforms"] = str(names.path("transforms"))
    with result.step("quality"):
        result.measures = measure(moved, brain, found, atlas.volume)
    _draw(names, moved, brain, found, atlas.volume, result)
    return result


def stripped(row: Row, names: Names, atlas: Atlas, settings: Preprocess) -> Result:
    """Check scans that are registered and stripped; the row keeps their own paths. Segment them if nobody has."""
    result = Result()
    with result.step("read"):
        scans, given = _on_one_grid(row)
    result.row = {name: row[name] for name in (*SEQUENCES, "seg")}
    inside = _inside(scans)
    result.brain_ml = float(inside.sum()) * next(iter(scans.values())).voxel_ml
    if given is not None:
        tumour = given
        result.row["seg_source"] = "given"
    else:
        tumour = _segment(scans, settings, result)
        write_volume(tumour.array, tumour.affine, names.path("seg"))
        result.row["seg"] = str(names.path("seg"))
    with result.step("quality"):
        result.measures = measure(scans, inside, tumour.array, atlas.volume)
    return result


def _inside(scans: dict[str, Volume]) -> NDArray[np.bool_]:
    """Return where any of a patient's stripped sequences holds something: the brain."""
    return np.any([scan.array != 0 for scan in scans.values()], axis=0)


def _draw(
    names: Names,
    scans: dict[str, Volume],
    brain: NDArray[np.bool_],
    tumour: NDArray[np.uint8],
    atlas: Volume,
    result: Result,
) -> None:
    with result.step("figure"):
        write_figure(names.path("figure"), names.subject, scans, brain, tumour, atlas)
    result.row["figure"] = str(names.path("figure"))


def _given(row: Row) -> list[str]:
    names = [name for name in SEQUENCES if row[name]]
    if not names:
        raise UserError("none of t1, t1c, t2 and flair is there; give at least one")
    return names


def _labels(row: Row) -> dict[str, Volume]:
    """Return the patient's own segmentation under ``seg``, if there is one."""
    if not row["seg"]:
        return {}
    labels = read_labels(row["seg"])
    return {"seg": Volume(harmonise_labels(labels.array, row["seg"]), labels.affine)}


def _on_one_grid(row: Row, remedy: str = RESAMPLE) -> tuple[dict[str, Volume], Volume | None]:
    """Return the sequences of a patient that share a space, and the patient's own segmentation, with axes in one order."""
    read = {name: read_volume(row[name]) for name in _given(row)} | _labels(row)
    turned = on_one_grid(read, row, remedy)
    labels = turned.pop("seg", None)
    return turned, labels


def _given_labels(row: Row, scans: dict[str, Volume]) -> tuple[str, Volume] | None:
    """Return the patient's own segmentation with the sequence on whose grid it was drawn."""
    for labels in _labels(row).values():
        turned = harmonise(labels, row["seg"])
        for name in (name for name in REFERENCES if name in scans and same_space(turned, scans[name])):
            return name, turned
        raise UserError(f"{row['seg']}: lies on the grid of none of the patient's sequences; draw it on one of them")
    return None


def _strip(head: Volume, near: NDArray[np.bool_] | None, settings: Preprocess, result: Result) -> NDArray[np.bool_]:
    with result.step("brain extraction"):
        brain = extract_brain(head, settings.brain_extraction, near, settings.brain_weights)
    result.made_by = made_by(settings.brain_extraction, settings.brain_weights)
    result.brain_ml = float(brain.sum()) * head.voxel_ml
    if not 300 < result.brain_ml < 3000:
        raise UserError(f"{settings.brain_extraction} found a brain of {result.brain_ml:.0f} ml; look at the scan")
    return brain


def _check_overlap(brain: NDArray[np.bool_], atlas: Atlas) -> None:
    template = atlas.volume.array > 0
    overlap = dice(brain, template)
    if overlap < LEAST_OVERLAP:
        raise UserError(
            f"registration to {atlas.space} failed (Dice of brain and atlas {overlap:.2f}); look at the scan"
        )


def _segment(scans: dict[str, Volume], settings: Preprocess, result: Result) -> Volume:
    if settings.segmenter == "none":
        raise UserError(
            "there is no tumour segmentation, and the study names no model that makes one (`preprocess.segmenter`); "
            "give one of them"
        )
    with result.step("segmentation"):
        tumour = segment(scans, settings.segmenter)
    result.row["seg_source"] = f"nnunet:{settings.segmenter}"
    return tumour


def _finish(
    row: Row,
    names: Names,
    scans: dict[str, Volume],
    brain: NDArray[np.bool_],
    tumour: Volume | None,
    settings: Preprocess,
    result: Result,
) -> NDArray[np.uint8]:
    """Mask all sequences, segment them if nobody has, and write; return the labels."""
    inside = {name: masked(scan, brain) for name, scan in scans.items()}
    if tumour is None:
        tumour = _segment(inside, settings, result)
    elif tumour.array.any():
        result.row["seg_source"] = "given"
    else:
        raise UserError(f"{row['seg']}: nothing of it is left in atlas space; does it belong to this patient?")
    with result.step("writing"):
        for name, scan in inside.items():
            write_volume(_compact(scan.array), scan.affine, names.path(name))
        write_volume(brain, tumour.affine, names.path("mask"))
        write_volume(tumour.array, tumour.affine, names.path("seg"))
    result.row |= {name: str(names.path(name)) for name in (*inside, "mask", "seg")}
    return tumour.array


def _compact(array: NDArray[np.float32]) -> NDArray:
    """Round to int16 where steps of 1 lie far below the noise: half the disk, half the time."""
    return np.rint(array).astype(np.int16) if 500 < array.max() < 32767 and array.min() > -32768 else array
