"""What a job asks for."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from mmdino.config import Needs, load_study
from mmdino.config.needs import MANY
from mmdino.files import content_key, file_digest

OF_A_RUN = {"--study", "--experiment"}  # the options by which a verb's command line names an experiment


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
    said = dict(_options(command))
    if not said.keys() >= OF_A_RUN:
        return Needs(cpus=MANY, gpus=MANY, minutes=720)
    return load_study(said["--study"], check=False).needs(
        said["--experiment"], "predict" if command[0] == "predict" else "train"
    )


def depends_on(command: Sequence[str]) -> str:
    """Return a key of what a verb depends on that its command line does not say; "" of a verb that names no experiment.

    These are the settings that its rule has as params, the contents of its splits and banks, and for a prediction the run.

    Args:
        command: as of :func:`declared`.

    Raises:
        UserError: the study or the experiment is unknown.
    """
    options = _options(command)
    said = dict(options)
    if not said.keys() >= OF_A_RUN:
        return ""
    loaded = load_study(said["--study"], check=False)
    name = said["--experiment"]
    settings = loaded.searched(name) if command[0] == "tune" else loaded.resolved(name)
    more = {"protocols": loaded.study.evaluation.protocols} if command[0] == "predict" else {}
    files = [Path(said["--splits"])] if "--splits" in said else []
    files += [Path(folder) / "meta.json" for option, folder in options if option == "--slices"]
    files += [Path(said["--out"]).parent / "run.json"] if command[0] == "predict" and "--out" in said else []
    read = [file_digest(path) for path in files if path.exists()]
    return content_key([settings, more, read])


def _options(command: Sequence[str]) -> list[tuple[str, str]]:
    """Return the options of a command line with their values, however each is written: ``--name value``, ``--name=value``."""
    joined = [(name, value) for name, equals, value in (word.partition("=") for word in command) if equals]
    return [(name, value) for name, value in [*pairwise(command), *joined] if name.startswith("--")]
