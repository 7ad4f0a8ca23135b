"""Phantoms for the segmenter alone: whole stripped brains on the atlas's grid, no seed shared with any study."""

from pathlib import Path

import numpy as np
from scipy import ndimage
from tqdm import tqdm

from mmdino.nifti import write_volume
from mmdino.phantom.anatomy import ATLAS
from mmdino.phantom.native import HEAD_GRID, MARGIN, scan_session
from mmdino.phantom.patient import Patient, draw_patient, render
from mmdino.phantom.signs import VARIANTS
from mmdino.phantom.sites import TRAINING_SITES
from mmdino.tables import SEQUENCES

NAMESPACE = "segmenter"
SCANNED = 0.7  # share of patients who are scanned and resampled; the others are rendered on the atlas's grid
WHITE = 1000  # intensity of white matter in T1


def write_cases(out: Path, patients: int = 24, seed: int = 0) -> None:
    """Write ``<patient>/<patient>_{t1,t1c,t2,flair,seg}.nii.gz`` as preprocessing would leave them.

    Variants and training sites take turns. Most patients go through the scanner (other spaces, thick slices) and back by
    their true movements, and their brain masks are up to 3 mm too wide, since that is what registered and stripped scans
    look like. No external site's style is used. Patients that are there already are kept.

    Args:
        out: the folder.
        patients: how many.
        seed: of the patients, in their own namespace.
    """
    for number in tqdm(range(patients), desc="phantoms for the segmenter", unit="patient", disable=None):
        subject = f"case-{number:03d}"
        if (out / subject / f"{subject}_seg.nii.gz").exists():  # written last
            continue
        variant = list(VARIANTS)[number % len(VARIANTS)]
        site = TRAINING_SITES[number % len(TRAINING_SITES)]
        images, labels = _case(draw_patient(subject, variant, site, NAMESPACE, seed))
        for name, image in zip(SEQUENCES, images):
            write_volume(image, ATLAS.affine, out / subject / f"{subject}_{name}.nii.gz")
        write_volume(labels, ATLAS.affine, out / subject / f"{subject}_seg.nii.gz")


def _case(patient: Patient) -> tuple[np.ndarray, np.ndarray]:
    """Return images (4, *grid) int16 and labels uint8."""
    generator = patient.generator("preprocessed")
    rendered = render(patient, HEAD_GRID, head=True)
    inner = (slice(MARGIN, -MARGIN),) * 3
    scanned = generator.random() < SCANNED
    mask = rendered.brain[inner]
    wider = int(generator.integers(0, 4)) if scanned else 0
    if wider:
        mask = ndimage.binary_dilation(mask, iterations=wider)
    images = _scanned(patient, rendered) if scanned else WHITE * rendered.images[:, *inner]
    return np.rint(images * mask).clip(0, 32767).astype(np.int16), rendered.seg[inner].astype(np.uint8)


def _scanned(patient: Patient, rendered) -> np.ndarray:
    """Scan the head and resample each sequence to the atlas by its true movement, (4, *grid) float32."""
    images = np.empty((len(SEQUENCES), *ATLAS.shape), np.float32)
    for image, scan in zip(images, scan_session(patient, rendered).values(), strict=True):
        to_index = np.linalg.inv(scan.to_atlas @ scan.affine) @ ATLAS.affine
        source = scan.image.astype(np.float32)
        ndimage.affine_transform(source, to_index[:3, :3], to_index[:3, 3], output=image, order=1, prefilter=False)
    return images
