"""The supervised CNN, whose timm network is given the planes of a volume as channels."""

from mmdino.methods.base import Run, restore
from mmdino.methods.supervised_cnn.method import SupervisedCNN
from mmdino.methods.supervised_cnn.network import CNNEncoder, new_network


def build(run: Run) -> SupervisedCNN:
    """Return the trainable at step 0.

    Raises:
        UserError: timm does not know the network, its weights are not at hand, or a class has no labelled patient.
    """
    return SupervisedCNN(run, new_network(run.settings, run.seed, planes=run.settings.planes))


def load(run: Run) -> CNNEncoder:
    """Return the encoder from ``run.folder / "model.safetensors"``.

    Raises:
        UserError: the file is missing, damaged, or of another network.
    """
    settings = run.settings
    network = new_network(settings, run.seed, trained=False, planes=settings.planes)
    return CNNEncoder(restore(network, run, f"trained '{settings.network}' of {settings.planes} planes"), settings)
