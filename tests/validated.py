"""What the BIDS validator says."""

import json
import subprocess
import sys
from pathlib import Path


def bids_errors(folder: Path) -> list[dict]:
    """Return the errors of bids-validator-deno, which belongs to the environment, in a data set."""
    validator = Path(sys.executable).parent / "bids-validator-deno"
    told = subprocess.run(
        [validator, folder, "--format", "json", "--ignoreWarnings"], capture_output=True, text=True, check=False
    )
    found = json.loads(told.stdout)
    assert found["summary"]["totalFiles"] > 3, told.stdout
    return [issue for issue in found["issues"]["issues"] if issue["severity"] == "error"]
