"""The supervised CNN with a network of MONAI's that looks at the volume round the tumour."""

import torch
from monai.networks import nets
from torch import nn

from mmdino.errors import UserError
from mmdino.methods.base import Run, restore
from mmdino.methods.supervised_cnn.method import SupervisedCNN
from mmdino.methods.supervised_cnn.network import CNNEncoder, SequenceCNN
from mmdino.methods.supervised_cnn_3d.settings import Settings
from mmdino.tables import SEQUENCES

HALVED = 32  # by how much a DenseNet makes each side smaller


def new_network(settings: Settings, seed: int, planes: int) -> SequenceCNN:
    """Return the network at its start; equal seeds give equal weights, and torch's global stream is left alone.

    Args:
        settings: which network.
        seed: of its weights.
        planes: of a volume.

    Raises:
        UserError: volumes have too few planes for it.
    """
    if settings.network.startswith("densenet") and planes < HALVED:
        raise UserError(
            f"{settings.network} needs volumes of at least {HALVED} planes, and the study's have {planes}; "
            "set its `volumes.planes`, or `network` to a ResNet"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body, dim = _body(settings)
        shape = (planes, settings.image_size, settings.image_size)
        return SequenceCNN(body, dim, shape, settings.fill)


def _body(settings: Settings) -> tuple[nn.Module, int]:
    """Return MONAI's network without its classifier, and how many features it gives."""
    last = nn.Dropout(settings.drop_rate)
    if settings.network.startswith("densenet"):
        dense = getattr(nets, settings.network)(spatial_dims=3, in_channels=len(SEQUENCES), out_channels=1)
        dim, dense.class_layers.out = dense.class_layers.out.in_features, last
        return dense, dim
    options = {"n_input_channels": len(SEQUENCES), "num_classes": 1, "conv1_t_stride": 2}  # the stride as in Med3D
    residual = getattr(nets, settings.network)(spatial_dims=3, **options)
    dim, residual.fc = residual.fc.in_features, last
    return residual, dim


def build(run: Run) -> SupervisedCNN:
    """Return the trainable at step 0.

    Raises:
        UserError: volumes have too few planes for the network, or a class has no labelled patient.
    """
    return SupervisedCNN(run, _network(run))


def load(run: Run) -> CNNEncoder:
    """Return the encoder from ``run.folder / "model.safetensors"``.

    Raises:
        UserError: the file is missing, damaged, or of another network.
    """
    return CNNEncoder(restore(_network(run), run, f"trained 3-D '{run.settings.network}'"), run.settings)


def _network(run: Run) -> SequenceCNN:
    return new_network(run.settings, run.seed, run.patients.bank.shape[0])
