"""What a job asks for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from mmdino.config import Needs, load_study
from mmdino.config.needs import MANY


@dataclass(frozen=True)
class Resources:
    """What a job asks for, on each of its ``nodes``; ``cluster`` is slurm, local (a process of its own), or debug (this process).

    ``slurm`` holds options of ``sbatch`` by their long name (partition, account, qos, gres, reservation, …), and those of
    submitit's that are none: ``setup`` (shell lines before the command), ``python`` (e.g. ``apptainer exec image python``),
    ``signal_delay_s`` (seconds before the walltime at which the job is told to write its checkpoint).
    """

    cluster: str = "local"
    cpus: int = 1
    gpus: int = 0
    memory_gb: int = 6
    minutes: int = 720
    nodes: int = 1
    slurm: dict[str, Any] = field(default_factory=dict)


def declared(command: Sequence[str]) -> Needs:
    """Return what the method declares whose experiment a verb's command line names; of any other verb, anything.

    Args:
        command: a verb and its arguments, such as ``train --study … --experiment …``.

    Raises:
        UserError: the study or the experiment is unknown.
    """
    said = dict(pairwise(command))
    if "--experiment" not in said or "--study" not in said:
        return Needs(cpus=MANY, gpus=MANY, minutes=720)
    return load_study(said["--study"], check=False).needs(
        said["--experiment"], "predict" if command[0] == "predict" else "train"
    )
