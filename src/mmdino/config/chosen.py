"""What ``config/config.yaml`` chooses: the study, where its results lie, and with what trainings and predictions run.

And the command that runs a study, whether the file chooses it or not.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from mmdino.config.strict import Strict, parse, read_yaml
from mmdino.errors import UserError

CONFIG = Path("config/config.yaml")


class Chosen(Strict):
    """Which study is run, and where; ``--config key=value`` and a profile's ``jobs.yaml`` say the same keys."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # YAML takes the study 2024 for a number

    study: str = Field(min_length=1, description="A file of config/studies, without its ending.")
    results: str = Field(default="results", min_length=1, description="The folder of results, one below it a study.")
    cluster: Literal["local", "slurm", "debug"] = Field(
        default="local",
        description="Where trainings and predictions run: a process each on this machine, a job each, or inside of the "
        "rule's process.",
    )
    slurm: list[str] = Field(
        default=[], description="Options of sbatch by their long names for these jobs, such as partition=gpu."
    )
    slurm_cpu: list[str] = Field(
        default=[], description="In their place for jobs that compute on no GPU; empty: as `slurm`."
    )
    gpus: int = Field(default=0, ge=0, description="Of each training at most; 0 trains on CPUs.")
    nodes: int = Field(default=1, ge=1, description="That share a training (slurm only), each with that many GPUs.")
    cpus: int = Field(default=1, ge=1, description="Cores of each of these jobs at most.")
    workers: int = Field(
        default=0, ge=0, description="Processes that make a training's batches ahead of it (of each GPU's)."
    )
    caches: str | None = Field(
        default="", description="A folder for what libraries cache; empty: where they do by themselves, in the home."
    )  # None: Snakemake's reading of `--config caches=`


def chosen(config: Mapping[str, Any]) -> Chosen:
    """Return what Snakemake's configuration chooses, wherever each key of it comes from.

    Raises:
        UserError: a key is unknown or has a wrong value, or no study is named.
    """
    return parse(Chosen, dict(config), f"{CONFIG}, --config or the profile's jobs.yaml")


def chosen_study() -> Path:
    """Return the file of the study that Snakemake runs in this folder.

    Raises:
        UserError: this is no folder of the project, or its configuration names no study or holds unknown keys.
    """
    return CONFIG.parent / "studies" / f"{_chosen('--study').study}.yaml"


def chosen_results(study: str) -> Path:
    """Return the folder of a study's results; ``UserError`` as above."""
    return Path(_chosen("--results").results) / study


def command(study: str, target: str = "") -> str:
    """Return the command by which Snakemake makes ``target`` of a study (all of it, by default).

    The study is named, last, since ``--config`` takes what follows it, unless ``config/config.yaml`` chooses it anyway.
    """
    words = [
        ".venv/bin/snakemake --profile profiles/local",
        target,
        "" if _is_chosen(study) else f"--config study={study}",
    ]
    return " ".join(word for word in words if word)


def _is_chosen(study: str) -> bool:
    try:
        return chosen_study().stem == study
    except UserError:  # nothing chooses one here
        return False


def _chosen(option: str) -> Chosen:
    if not CONFIG.exists():
        raise UserError(f"there is no {CONFIG} here; start in the project's folder, or say {option}")
    return parse(Chosen, read_yaml(CONFIG), CONFIG)
