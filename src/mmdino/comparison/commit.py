"""A study as a commit has it: read by that commit's own program, since keys and defaults change with the code."""

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from mmdino.errors import UserError

DESCRIBE = """
import json, sys
from mmdino.config import load_study
loaded = load_study(sys.argv[1])
arms = {name: {**loaded.resolved(name), "readout": one.readout} for name, one in loaded.experiments.items()}
print(json.dumps({"study": loaded.study.model_dump(mode="json"), "arms": arms}))
"""


def commit_of(revision: str, study: Path) -> str | None:
    """Return the full name of a commit in the repository where a study's file lies; None where there is none."""
    answer = _git(study.parent, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    return answer.decode().strip() if answer is not None else None


def described_at(commit: str, study: Path) -> dict[str, Any]:
    """Return a study's settings and its arms' resolved ones, as a commit's own program understands them.

    Raises:
        UserError: the commit has no such study, or its program refuses it.
    """
    top = (_git(study.parent, "rev-parse", "--show-toplevel") or b"").decode().strip()
    packed = _git(Path(top), "archive", commit, "config", "src/mmdino")
    if packed is None:
        raise UserError(f"commit {commit[:12]} has no config/ and src/mmdino; name a commit of this project")
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")
        answer = subprocess.run(
            [sys.executable, "-c", DESCRIBE, str(study.resolve().relative_to(Path(top).resolve()))],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": f"{folder}/src"},
            capture_output=True,
            text=True,
            check=False,
        )
    if answer.returncode:
        said = (answer.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise UserError(f"{study} at commit {commit[:12]} is refused by that commit's own program: {said}")
    return json.loads(answer.stdout)


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Return git's answer, None where it has none (or there is no git)."""
    try:
        return subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
