"""A tiny study on disk, of which ``mmdino train`` runs one arm."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from factories import tiny_study
from mmdino.tables import SPLITS, write_table
from mmdino.training.log import TIMINGS
from tiny import TINY_MM_DINOV2

ROOT = Path(__file__).parents[1]


class Study:
    """In a folder of its own."""

    def __init__(self, folder: Path):
        self.folder = folder
        patients = tiny_study(folder)
        write_table(SPLITS, patients.splits.reset_index(drop=True), folder / "splits.tsv")
        (folder / "config" / "experiments").mkdir(parents=True)
        shutil.copy(ROOT / "config" / "experiments" / "mm-dinov2.yaml", folder / "config" / "experiments")

    def command(self, out: Path, steps: int, **conditions: float) -> list[str]:
        """Return the command that trains into ``out``, under conditions of ``tests/disturbed.py``."""
        study = self.folder / "config" / "studies" / f"tiny-{steps}.yaml"
        study.parent.mkdir(exist_ok=True)
        # Drop path draws by process and by part, so that no two ways of passing a batch would agree.
        settings = {**TINY_MM_DINOV2, "drop_path": 0.0, "steps": steps, "evaluate_every": steps // 4}
        content = {
            "name": study.stem,
            "title": "Tiny",
            "cohorts": {"home": {"stage": "stripped", "path": "home"}},
            "experiments": ["mm-dinov2"],
            "methods": {"mm-dinov2": settings},
        }
        study.write_text(yaml.safe_dump(content))
        files = [f"--slices={self.folder / 'slices' / name}" for name in ("home", "away")]
        run = ["--experiment=mm-dinov2", "--seed=0", f"--splits={self.folder / 'splits.tsv'}", f"--out={out}"]
        disturbed = [sys.executable, str(ROOT / "tests" / "disturbed.py")]
        program = [*disturbed, *(f"{name}={value}" for name, value in conditions.items())] if conditions else ["mmdino"]
        return [*program, "train", f"--study={study}", *run, *files]

    def undisturbed(self, steps: int) -> Path:
        """Return the folder of a run of that many steps that nobody disturbed."""
        out = self.folder / f"undisturbed-{steps}"
        if not (out / "run.json").exists():
            subprocess.run([sys.executable, "-m", *self.command(out, steps)], check=True)
        return out


def log_of(folder: Path) -> list[dict]:
    """Return the lines of a run's log without what depends on the clock."""
    path = folder / "log.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [{name: value for name, value in line.items() if name not in TIMINGS} for line in lines]
