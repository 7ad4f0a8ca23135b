"""CPU seconds and memory of a dry run of the paper's study with every arm, beside `snakemake --version`.

python benchmarks/dryrun.py
"""

import json
import resource
import statistics
import subprocess
import sys

ROUNDS = 5
SNAKEMAKE = [sys.executable, "-m", "snakemake"]
DRY = [*SNAKEMAKE, "--profile", "profiles/local", "-n", "all", "ablations", "baselines", "--config", "study=paper"]


def main() -> None:
    seconds = {
        name: [cpu(command) for _ in range(ROUNDS)]
        for name, command in (("version", [*SNAKEMAKE, "--version"]), ("dry run", DRY))
    }
    over = statistics.median(seconds["dry run"]) - statistics.median(seconds["version"])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({**seconds, "over": round(over, 2), "peak MB": round(peak)}, indent=1))


def cpu(command: list[str]) -> float:
    """Return the CPU seconds of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2)


if __name__ == "__main__":
    main()
