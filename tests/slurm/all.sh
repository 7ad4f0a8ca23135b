#!/bin/bash
# Every test on the loopback SLURM: four at once, since most of each is waiting, then those that need the cluster to themselves.
set -uo pipefail
cd "$(dirname "$0")/../.."
scontrol ping >/dev/null 2>&1 || trap "tests/slurm/cluster.sh stop" EXIT
tests/slurm/cluster.sh start || echo "the tests say why they are skipped"
failed=0
.venv/bin/python -m pytest tests/slurm -m "slurm and not alone" -rs --durations=0 --durations-min=1 -n 4 --dist loadgroup || failed=1
.venv/bin/python -m pytest tests/slurm -m "slurm and alone" -rs --durations=0 --durations-min=1 || failed=1
exit $failed
