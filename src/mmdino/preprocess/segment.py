"""Tumour segmentation with a trained nnU-Net v2 model folder, on one CPU thread."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from mmdino.errors import UserError
from mmdino.models.nnunet import NNUNet, model_folder, quiet
from mmdino.nifti import RAS, Volume, reorient

CORE, OEDEMA, ENHANCING = 1, 2, 3
NAMES = (  # what a label's name says, the first that fits; the rest of the whole tumour is oedema
    (re.compile(r"o?edema|flair|\b(ed|snfh)\b"), OEDEMA),
    (re.compile(r"necro|non ?enhanc|\b(ncr|net|netc)\b"), CORE),
    (re.compile(r"enhanc|\bet\b"), ENHANCING),
    (re.compile(r"core|\btc\b"), CORE),
    (re.compile(r"whole|\bwt\b"), OEDEMA),
)


def segment(scans: Mapping[str, Volume], model: str) -> Volume:
    """Segment a tumour.

    Args:
        scans: stripped sequences by name, on one grid; one that is missing is given to the network as zeros.
        model: ``phantom`` (the model we ship) or an nnU-Net v2 model folder.

    Returns:
        Labels 1 (core), 2 (oedema), 3 (enhancing), on the same grid.

    Raises:
        UserError: the model cannot be used, its labels have names that nobody knows, or it finds no tumour.
    """
    network = load_model(model_folder(model))
    meanings = label_meanings(network.dataset, model_folder(model) / "dataset.json")
    like = next(iter(scans.values()))
    channels = [scans[name].array if name in scans else np.zeros_like(like.array) for name in network.sequences()]
    labels = meanings[network.predict_arrays(channels, like)]
    if network.dataset.get("single_lesion"):
        labels = _largest(labels)
    if not labels.any():
        raise UserError(f"the segmenter '{model}' found no tumour; give a segmentation, or a model for such scans")
    return Volume(labels, like.affine)


def label_meanings(dataset: Mapping[str, Any], file: Path) -> NDArray[np.uint8]:
    """Return what each value that a network predicts (0…255) means: 1 (core), 2 (oedema), 3 (enhancing), or 0.

    The names of its labels say so, and not the values: nnU-Net's own BraTS recipes have 1 for oedema. A network of one
    label finds tumour alone, which is 1.

    Args:
        dataset: the network's dataset.json, of plain labels or of regions.
        file: where that lies.

    Raises:
        UserError: a name is none that is known.
    """
    names = {name: label for name, label in dataset["labels"].items() if name not in ("background", "ignore")}
    of_regions = any(isinstance(label, list) and len(label) > 1 for label in names.values())
    if of_regions:  # nnU-Net writes these values, in the order of the regions
        names = dict(zip(names, dataset["regions_class_order"]))
    meanings = np.zeros(256, np.uint8)
    for name, value in names.items():
        meanings[value] = _meaning(name, file) if len(names) > 1 else CORE
    return meanings


def _meaning(name: str, file: Path) -> int:
    words = re.sub(r"[^a-z0-9]+", " ", name.casefold())
    for pattern, meaning in NAMES:
        if pattern.search(words):
            return meaning
    raise UserError(
        f"{file}: label '{name}' is none of core, oedema and enhancing (or whole tumour, tumour core); rename it, that "
        "alone says what the model's values mean"
    )


def harmonise_labels(labels: NDArray, source: Path | str) -> NDArray[np.uint8]:
    """Bring labels to 1 (core), 2 (oedema), 3 (enhancing): BraTS's older 1/2/4, its newer 1/2/3, or tumour alone (1).

    Raises:
        UserError: there are other labels.
    """
    present = {int(label) for label in np.unique(labels)} - {0}
    if not (present <= {1, 2, 3} or present <= {1, 2, 4}):
        raise UserError(f"{source}: labels {sorted(present)} are not BraTS's 1/2/4 or 1/2/3, nor 1 alone; recode them")
    return np.where(labels == 4, 3, labels).astype(np.uint8)


def _largest(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Keep the largest connected lesion."""
    from scipy import ndimage

    lesions, _ = ndimage.label(labels > 0, structure=np.ones((3, 3, 3)))
    sizes = np.bincount(lesions.ravel())[1:]
    return labels if sizes.size < 2 else np.where(lesions == sizes.argmax() + 1, labels, 0).astype(np.uint8)


class Model(NNUNet):
    """An nnU-Net v2 network with its plans, ready to predict arrays."""

    def __init__(self, folder: Path):
        super().__init__(folder)
        with quiet():
            self.predictor = self._predictor()

    def predict_arrays(self, channels: list[NDArray], like: Volume) -> NDArray[np.uint8]:
        """Return the labels of one case, on the grid of ``like``; channels have its shape.

        Axes reach the network as its own reader would have given them: as stored, or along RAS.
        """
        turn = RAS if "Reorient" in self.plans.plans.get("image_reader_writer", "") else nib.io_orientation(like.affine)
        turned = [reorient(Volume(channel, like.affine), turn) for channel in channels]
        data = np.stack([volume.array.transpose(2, 1, 0) for volume in turned]).astype(np.float32)
        with quiet():
            labels = self.predictor.predict_single_npy_array(data, {"spacing": list(turned[0].spacing[::-1])})
        found = Volume(np.asarray(labels, np.uint8).transpose(2, 1, 0), turned[0].affine)
        return np.ascontiguousarray(reorient(found, nib.io_orientation(like.affine)).array)

    def _predictor(self) -> Any:
        import torch
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

        torch.set_num_threads(1)
        predictor = nnUNetPredictor(
            use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
        )
        weights = [self.network.state_dict()]
        predictor.manual_initialization(
            self.network, self.plans, self.configuration, weights, self.dataset, self.trainer, None
        )
        return predictor


@functools.lru_cache(maxsize=2)
def load_model(folder: Path) -> Model:
    """Load a model folder once a process.

    Raises:
        UserError: a file of it is missing, or its checkpoint holds more than plain tensors.
    """
    return Model(folder)
