#!/usr/bin/env bash
# Resolve envs/requirements.in into requirements.lock, and write the same pins for conda. What the lock pins already
# stays, so that a new package moves nothing else; `envs/lock.sh --anew` resolves everything. Installs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
hold=(-c envs/requirements.lock)
[ "${1:-}" = --anew ] && hold=()
"$python" -m pip install --disable-pip-version-check --quiet --dry-run --ignore-installed \
  --report "$work/report.json" -r envs/requirements.in "${hold[@]}"
"$python" - "$work/report.json" >"$work/lock" <<'PINS'
import json, sys
print("# Resolved from requirements.in by envs/lock.sh (Python 3.11, x86_64).")
found = {entry["metadata"]["name"]: entry["metadata"]["version"] for entry in json.load(open(sys.argv[1]))["install"]}
found.pop("argparse", None)  # Python's own, which an old package still asks for by name
print("\n".join(f"{name}=={found[name]}" for name in sorted(found, key=str.lower)))
PINS
mv "$work/lock" envs/requirements.lock
bash envs/conda.sh
