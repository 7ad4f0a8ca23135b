"""Which Python the workflow's rules run."""

import os
import sys
from pathlib import Path


def use_this_python() -> None:
    """Make ``python -m mmdino`` in a rule mean this interpreter and this package.

    So that ``.venv/bin/snakemake`` works without activating anything. A rule's conda environment, activated later,
    comes before it in PATH and finds the package through PYTHONPATH.
    """
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    os.environ["PYTHONPATH"] = str(Path(__file__).parents[2])
