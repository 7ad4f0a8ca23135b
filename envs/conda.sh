#!/usr/bin/env bash
# Write environment.yaml with the lock's pins. They are listed, since Snakemake copies this file away from the lock.
set -euo pipefail
cd "$(dirname "$0")"
{
  echo "# The lock's pins for conda and mamba users; written by envs/conda.sh, and held equal by a test."
  echo "name: mmdino"
  echo "channels: [conda-forge]"
  echo "dependencies:"
  echo "  - python=3.11"
  echo "  - pip"
  echo "  - pip:"
  grep -vE '^(#|$)' requirements.lock | sed 's/^/      - /'
} > environment.yaml
