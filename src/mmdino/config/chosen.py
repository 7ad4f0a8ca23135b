"""What ``config/config.yaml`` chooses where a command line does not say: the study, and where its results lie."""

from pathlib import Path

from mmdino.config.strict import read_yaml
from mmdino.errors import UserError

CONFIG = Path("config/config.yaml")


def chosen_study() -> Path:
    """Return the file of the study that Snakemake runs in this folder.

    Raises:
        UserError: this is no folder of the project, or its configuration names no study.
    """
    return CONFIG.parent / "studies" / f"{_chosen('study', '--study')}.yaml"


def chosen_results(study: str) -> Path:
    """Return the folder of a study's results; ``UserError`` as above."""
    return Path(_chosen("results", "--results")) / study


def _chosen(key: str, option: str) -> str:
    if not CONFIG.exists():
        raise UserError(f"there is no {CONFIG} here; start in the project's folder, or say {option}")
    value = read_yaml(CONFIG).get(key)
    if not value:
        raise UserError(f"{CONFIG}: '{key}' is missing; add it, or say {option}")
    return str(value)
