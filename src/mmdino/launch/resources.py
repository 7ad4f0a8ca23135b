"""What a job asks for."""

from dataclasses import dataclass, field
from typing import Any


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
