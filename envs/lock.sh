#!/usr/bin/env bash
# Resolve envs/requirements.in anew into requirements.lock, and write the same pins for conda. Run it in a fresh clone.
set -euo pipefail
cd "$(dirname "$0")/.."
python3 -m venv .venv-lock
.venv-lock/bin/pip install -r envs/requirements.in
{ echo "# Resolved from requirements.in by envs/lock.sh (Python 3.11, x86_64)."; .venv-lock/bin/pip freeze --all | grep -vE '^(pip|mmdino)\b|^-e|^# Editable'; } > envs/requirements.lock
bash envs/conda.sh
rm -rf .venv-lock
