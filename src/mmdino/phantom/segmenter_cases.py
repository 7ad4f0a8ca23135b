"""Phantoms for the segmenter alone: whole stripped brains on the atlas's grid, no seed shared with any study."""

from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from mmdino.nifti import write_volume
from mmdino.phantom.anatomy import ATLAS
from mmdino.phantom.patient import Patient, draw_patient, render
from mmdino.phantom.signs import VARIANTS
from mmdino.phantom.sites import TRAINING_SITES
from mmdino.tables import SEQUENCES

NAMESPACE = "segmenter"
THICK = 0.25  # share of sequences that were scanned in thick slices
WHITE = 1000  # intensity of white matter in T1


def write_cases(out: Path, patients: int = 24, seed: int = 0, first: int = 0, progress: bool = True) -> None:
    """Write ``<patient>/<patient>_{t1,t1c,t2,flair,seg}.nii.gz`` as preprocessing would leave them.

    Variants and training sites take turns. Brain masks are up to 2 mm too wide and some sequences come from thick
    slices, since that is what registered and stripped scans look like. No external site's style is used. Patients that
    are there already are kept.

    Args:
        out: the folder.
        patients: how many.
        seed: of the patients, in their own namespace.
        first: number of the first one; a later range gives patients to test on.
        progress: show a bar when the output is a terminal.
    """
    numbers = range(first, first + patients)
    for number in tqdm(numbers, desc="phantoms for the segmenter", disable=None if progress else True):
        subject = f"case-{number:03d}"
        if (out / subject / f"{subject}_seg.nii.gz").exists():  # written last
            continue
        variant = list(VARIANTS)[number % len(VARIANTS)]
        site = TRAINING_SITES[number % len(TRAINING_SITES)]
        patient = draw_patient(subject, variant, site, NAMESPACE, seed)
        images, labels = _case(patient)
        for name, image in zip(SEQUENCES, images):
            write_volume(image, ATLAS.affine, out / subject / f"{subject}_{name}.nii.gz")
        write_volume(labels, ATLAS.affine, out / subject / f"{subject}_seg.nii.gz")


def _case(patient: Patient) -> tuple[np.ndarray, np.ndarray]:
    """Return images (4, *grid) int16 and labels uint8."""
    generator = patient.generator("preprocessed")
    rendered = render(patient, ATLAS, head=True)
    wider = int(generator.integers(0, 3))
    mask = ndimage.binary_dilation(rendered.brain, iterations=wider) if wider else rendered.brain
    for image in rendered.images:
        if generator.random() < THICK:
            image[...] = _thick(image, int(generator.integers(3, 6)))
    images = np.rint(rendered.images * mask * WHITE).astype(np.int16)
    return images, rendered.seg.astype(np.uint8)


def _thick(image: np.ndarray, slices: int) -> np.ndarray:
    """Average over ``slices`` axial planes and interpolate back, as a thick-sliced scan is resampled."""
    means = ndimage.uniform_filter1d(image, slices, axis=2)[:, :, slices // 2 :: slices]
    place = (np.arange(image.shape[2]) - slices // 2) / slices
    low = np.clip(np.floor(place).astype(int), 0, means.shape[2] - 2)
    weight = np.clip(place - low, 0, 1).astype(np.float32)
    return means[:, :, low] * (1 - weight) + means[:, :, low + 1] * weight
