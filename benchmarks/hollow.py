"""A clone of the project that runs whole studies in minutes: Snakemake and our rules are real, the program is hollow."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PARTS = ("config", "envs", "profiles", "src/mmdino/config", "src/mmdino/reporting", "src/mmdino/methods", "workflow")
PROGRAM = '''"""Writes an empty file for each output."""
import os, sys
from pathlib import Path
words = sys.argv[1:]
words = words[words.index("--") + 1 :] if words[0] == "submit" else words
given = dict(zip(words, words[1:]))
if words[0] == "train" and given["--experiment"] == os.environ.get("BROKEN"):
    sys.exit("Error: broken")
out = Path(given.get("--out", ""))
results = Path(given.get("--out" if words[0] == "report" else "--results", given.get("--results", "")))
files = {
    "phantom": [Path(given.get("--truth", "")) / f"{given.get('--cohort')}.parquet"],
    "leakage": [out, Path(given.get("--page", ""))],
    **dict.fromkeys(["slices", "volumes"], [out / "index"]),
    **dict.fromkeys(["train", "adopt"], [out / "run.json", out / "model.safetensors"]),
    "insight": [out / name for name in ("insight.json", "patients.parquet", "tokens.npz")],
    "statistics": [results / "statistics.json"],
    "tables": [results / "tables/main.tsv"],
    "figures": [results / "figures/external-mcc.svg"],
    "report": [results / "report.html"],
}.get(words[0], [out])
for path in files:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
'''


def hollow_clone(folder: Path) -> Path:
    """Copy the project into ``folder``, with a program that writes an empty file for each output; return the folder."""
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "errors.py", "files.py", "tables.py"):
        shutil.copy(ROOT / "src/mmdino" / name, folder / "src/mmdino" / name)
    (folder / "src/mmdino/__main__.py").write_text(PROGRAM)
    return folder


def snakemake(clone: Path, *arguments: str, study: str = "mini", **environment: str) -> tuple[int, str]:
    """Run Snakemake in a clone with ``profiles/local``; return its exit status and all that it said."""
    answer = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "profiles/local", *arguments, "--config", f"study={study}"],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(clone / "src"), **environment},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return answer.returncode, answer.stdout
