#!/usr/bin/env bash
# Make .venv from the lock. Says in one sentence what is missing, and how to install it.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

stop() { printf 'Error: %s\n' "$1" >&2; exit 2; }

command -v "$python" >/dev/null || stop "python3 is missing; install it: apt-get install python3 python3-venv"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  stop "$("$python" --version) is too old, 3.11 or newer is needed; install one and call: make PYTHON=python3.11"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
  stop "Python's venv module is missing; install it: apt-get install python3-venv"
[ "$(uname -m)" = x86_64 ] || echo "Note: the lock was resolved on x86_64; on $(uname -m) some wheels may be missing." >&2
if [ ! -x .venv/bin/python ]; then
  free=$(df -Pk . | awk 'NR==2 {print int($4 / 1048576)}')
  [ "$free" -ge 10 ] || stop "only $free GB are free here and the environment takes 8 GB (PyTorch with CUDA); free some space"
  "$python" -m venv .venv
fi
.venv/bin/python -m pip install --disable-pip-version-check --no-deps -r envs/requirements.lock
.venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --quiet -e .
.venv/bin/python - <<'CHECK' || stop "a system library is missing, see above; on Debian or Ubuntu: apt-get install libstdc++6 libgomp1 libgl1 libglib2.0-0"
import importlib, sys
for name in ("ants", "torch", "torchvision", "nnunetv2", "sklearn", "matplotlib", "pyarrow", "snakemake"):
    try:
        importlib.import_module(name)
    except (ImportError, OSError) as error:
        sys.exit(f"{name}: {error}")
CHECK
touch .venv/.ready
