"""What a job of a method makes use of: declared by the method's settings, asked for by the rules and `mmdino submit`."""

from dataclasses import dataclass, replace
from typing import Literal

Job = Literal["train", "predict"]
MANY = 16  # cores or GPUs: as many as the machine or profile gives


@dataclass(frozen=True)
class Needs:
    """What one job of a method asks for.

    Attributes:
        cpus: cores that it makes use of; the profile's ``cpus`` may give fewer.
        gpus: that share a batch, 0 if it computes on none; the profile's ``gpus`` may give fewer.
        memory_gb: of the machine (a GPU's: docs/slurm.md); a job killed for too little is submitted again with more.
        minutes: of walltime on a cluster; a training that is not done by then goes on in its next job.
    """

    cpus: int = 1
    gpus: int = 0
    memory_gb: int = 6
    minutes: int = 240

    def given(self, cpus: int, gpus: int) -> "Needs":
        """Return what is asked for where a job gets so many cores and GPUs at most."""
        return replace(self, cpus=max(1, min(self.cpus, cpus)), gpus=min(self.gpus, gpus))
