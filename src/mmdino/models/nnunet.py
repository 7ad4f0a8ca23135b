"""A trained nnU-Net v2 model folder as a network: read without running any code from its files."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mmdino.errors import UserError
from mmdino.files import read_json
from mmdino.tables import SEQUENCES

FILES = ("dataset.json", "plans.json", "fold_*/checkpoint_final.pth")  # of a trained model
CARRIED = Path(__file__).parents[1] / "assets" / "segmenter"
ALIASES = {"t1n": "t1", "t1w": "t1", "t1ce": "t1c", "t1gd": "t1c", "t2w": "t2", "t2f": "flair", "fl": "flair"}


def model_folder(model: str) -> Path:
    """Return the folder of a model named in the configuration: ``phantom`` is the one we carry."""
    return CARRIED if model == "phantom" else Path(model).expanduser()


def require_model(folder: Path) -> None:
    """Check that the files of a trained model lie in a folder, without reading them.

    Raises:
        UserError: naming the first that is missing.
    """
    for name in FILES:
        if not any(folder.glob(name)):
            raise UserError(f"{folder}: holds no {name}; give a trained nnU-Net v2 model folder")


class NNUNet:
    """A model folder.

    Attributes:
        folder: where it lies.
        dataset: its dataset.json.
        plans, configuration: nnU-Net's own managers of plans.json and of the configuration that was trained.
        trainer: the name of the trainer.
        network: the network with its trained weights, on the CPU, without deep supervision.

    Raises:
        UserError: a file of it is missing, or its checkpoint holds more than plain tensors.
    """

    def __init__(self, folder: Path):
        from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

        require_model(folder)
        self.folder = folder
        self.dataset: dict[str, Any] = read_json(folder / "dataset.json")
        checkpoint = _checkpoint(min(folder.glob(FILES[-1])))
        self.trainer: str = checkpoint["trainer_name"]
        with quiet():
            self.plans = PlansManager(read_json(folder / "plans.json"))
            self.configuration = self.plans.get_configuration(checkpoint["init_args"]["configuration"])
            self.network = build_network(self.plans, self.configuration, self.dataset)
        self.network.load_state_dict(checkpoint["network_weights"])

    def sequences(self) -> list[str]:
        """Return the sequence of each input channel, in order.

        Raises:
            UserError: a channel has a name that is no sequence of ours.
        """
        channels = self.dataset["channel_names"]
        names = [str(channels[key]).lower() for key in sorted(channels, key=int)]
        named = [ALIASES.get(name, name) for name in names]
        unknown = [name for name in named if name not in SEQUENCES]
        if unknown:
            raise UserError(
                f"{self.folder / 'dataset.json'}: channel '{unknown[0]}' is not t1, t1c, t2 or flair; rename it"
            )
        return named


def _checkpoint(path: Path) -> dict[str, Any]:
    """Load the weights without running any code from the file, which nnU-Net's own loader would."""
    import torch

    try:
        with torch.serialization.safe_globals(_harmless()):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise UserError(
            f"{path}: holds more than tensors and numbers ({type(error).__name__}), and might run code; if you "
            "trust it, reduce it with `mmdino.preprocess.train_segmenter.reduce_checkpoint`"
        ) from None
    missing = {"network_weights", "init_args", "trainer_name"} - set(checkpoint)
    if missing:
        raise UserError(f"{path}: lacks {', '.join(sorted(missing))}; is it an nnU-Net v2 checkpoint?")
    return checkpoint


def _harmless() -> list[Any]:
    """Return what nnU-Net's own checkpoints hold besides tensors: NumPy numbers in the log of their training."""
    scalar = np.float64(0).__reduce__()[0]
    types = [type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64", "bool")]
    return [scalar, (scalar, "numpy.core.multiarray.scalar"), np.dtype, *types]


def build_network(plans: Any, configuration: Any, dataset: dict[str, Any]) -> Any:
    """Return the untrained network of a configuration of nnU-Net's plans."""
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
def quiet() -> Iterator[None]:
    """Keep nnU-Net's prints to itself."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
