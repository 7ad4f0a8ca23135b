"""Tumour segmentation with a trained nnU-Net v2 model folder, on one CPU thread."""

import contextlib
import functools
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from mmdino.errors import UserError
from mmdino.files import read_json
from mmdino.nifti import Volume
from mmdino.preprocess.images import RAS, reorient

CARRIED = Path(__file__).parents[1] / "assets" / "segmenter"
ALIASES = {"t1n": "t1", "t1w": "t1", "t1ce": "t1c", "t1gd": "t1c", "t2w": "t2", "t2f": "flair", "fl": "flair"}


def segment(scans: Mapping[str, Volume], model: str) -> Volume:
    """Segment a tumour.

    Args:
        scans: stripped sequences by name, on one grid; one that is missing is given to the network as zeros.
        model: ``phantom`` (the model we ship) or an nnU-Net v2 model folder.

    Returns:
        Labels 1 (core), 2 (oedema), 3 (enhancing), on the same grid.

    Raises:
        UserError: the model cannot be used, or finds no tumour.
    """
    network = load_model(model_folder(model))
    like = next(iter(scans.values()))
    channels = [scans[name].array if name in scans else np.zeros_like(like.array) for name in network.sequences()]
    labels = harmonise_labels(network.predict_arrays(channels, like), f"the model {model}")
    if network.dataset.get("single_lesion"):
        labels = _largest(labels)
    if not labels.any():
        raise UserError(f"the segmenter '{model}' found no tumour; give a segmentation, or a model for such scans")
    return Volume(labels, like.affine)


def model_folder(model: str) -> Path:
    """Return the folder of a model named in the configuration."""
    return CARRIED if model == "phantom" else Path(model)


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


class Model:
    """An nnU-Net v2 network with its plans, ready to predict arrays."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.dataset = read_json(folder / "dataset.json")
        self.plans = read_json(folder / "plans.json")
        with _quiet():
            self.predictor = self._load()

    def sequences(self) -> list[str]:
        """Return the sequence of each input channel, in order.

        Raises:
            UserError: a channel has a name that is no sequence of ours.
        """
        channels = self.dataset["channel_names"]
        names = [str(channels[key]).lower() for key in sorted(channels, key=int)]
        named = [ALIASES.get(name, name) for name in names]
        unknown = [name for name in named if name not in ("t1", "t1c", "t2", "flair")]
        if unknown:
            raise UserError(
                f"{self.folder / 'dataset.json'}: channel '{unknown[0]}' is not t1, t1c, t2 or flair; rename it"
            )
        return named

    def predict_arrays(self, channels: list[NDArray], like: Volume) -> NDArray[np.uint8]:
        """Return the labels of one case, on the grid of ``like``; channels have its shape.

        Axes reach the network as its own reader would have given them: as stored, or along RAS.
        """
        turn = RAS if "Reorient" in self.plans.get("image_reader_writer", "") else nib.io_orientation(like.affine)
        turned = [reorient(Volume(channel, like.affine), turn) for channel in channels]
        data = np.stack([volume.array.transpose(2, 1, 0) for volume in turned]).astype(np.float32)
        with _quiet():
            labels = self.predictor.predict_single_npy_array(data, {"spacing": list(turned[0].spacing[::-1])})
        found = Volume(np.asarray(labels, np.uint8).transpose(2, 1, 0), turned[0].affine)
        return np.ascontiguousarray(reorient(found, nib.io_orientation(like.affine)).array)

    def _load(self) -> Any:
        import torch
        from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        torch.set_num_threads(1)
        checkpoint = self._checkpoint()
        plans = PlansManager(self.plans)
        configuration = plans.get_configuration(checkpoint["init_args"]["configuration"])
        network = _network(plans, configuration, self.dataset)
        network.load_state_dict(checkpoint["network_weights"])
        predictor = nnUNetPredictor(
            use_mirroring=False, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
        )
        weights = [network.state_dict()]
        name = checkpoint["trainer_name"]
        predictor.manual_initialization(network, plans, configuration, weights, self.dataset, name, None)
        return predictor

    def _checkpoint(self) -> dict[str, Any]:
        """Load the weights without running any code from the file, which nnU-Net's own loader would."""
        import torch

        found = sorted(self.folder.glob("fold_*/checkpoint_final.pth"))
        if not found:
            raise UserError(
                f"{self.folder}: holds no fold_*/checkpoint_final.pth; give a trained nnU-Net v2 model folder"
            )
        try:
            with torch.serialization.safe_globals(_harmless()):
                checkpoint = torch.load(found[0], map_location="cpu", weights_only=True)
        except Exception as error:
            raise UserError(
                f"{found[0]}: holds more than tensors and numbers ({type(error).__name__}), and might run code; if you "
                "trust it, reduce it with `mmdino.preprocess.train_segmenter.reduce_checkpoint`"
            ) from None
        missing = {"network_weights", "init_args", "trainer_name"} - set(checkpoint)
        if missing:
            raise UserError(f"{found[0]}: lacks {', '.join(sorted(missing))}; is it an nnU-Net v2 checkpoint?")
        return checkpoint


@functools.lru_cache(maxsize=2)
def load_model(folder: Path) -> Model:
    """Load a model folder once a process.

    Raises:
        UserError: a file of it is missing, or its checkpoint holds more than plain tensors.
    """
    return Model(folder)


def _harmless() -> list[Any]:
    """Return what nnU-Net's own checkpoints hold besides tensors: NumPy numbers in the log of their training."""
    scalar = np.float64(0).__reduce__()[0]
    types = [type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64", "bool")]
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *types]


def _network(plans: Any, configuration: Any, dataset: dict[str, Any]) -> Any:
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels

    return get_network_from_plans(
        configuration.network_arch_class_name,
        configuration.network_arch_init_kwargs,
        configuration.network_arch_init_kwargs_req_import,
        determine_num_input_channels(plans, configuration, dataset),
        plans.get_label_manager(dataset).num_segmentation_heads,
        allow_init=True,
        deep_supervision=False,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()):
        yield
