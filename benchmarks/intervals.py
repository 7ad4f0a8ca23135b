"""Whether the statistics keep their word: coverage of intervals, size of tests, and what they cost.

python benchmarks/intervals.py [results/phantom]
python benchmarks/intervals.py --data-sets 10000 --only 214    (sizes of the tests alone, on so many patients)
"""

import argparse
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from mmdino.evaluation.bootstrap import interval, resample, resampled_confusion
from mmdino.evaluation.compare import arm_mcc, arm_metrics, paired_difference
from mmdino.evaluation.metrics import mcc
from mmdino.evaluation.predictions import Answers, Place, group, read_predictions
from mmdino.evaluation.random_missing import SETS

DATA_SETS, REPLICATES = 1000, 2000
SIZES = {"500 patients, as the phantom's": (163, 219, 118), "214, as the paper's external test": (56, 112, 46)}


def answered(truth: np.ndarray, right: float, rng: np.random.Generator, patients: np.ndarray | None = None) -> Answers:
    """Return answers that are right with a probability that depends on the patient, so that arms correlate."""
    ease = rng.random(len(truth)) if patients is None else patients
    chance = right + min(0.4, 2 * (1 - right)) * (ease - 0.5)  # its mean is `right`
    wrong = (truth + rng.integers(1, 3, len(truth))) % 3
    named = np.where(rng.random(len(truth)) < chance, truth, wrong)
    return Answers(np.array([f"{n:04d}" for n in range(len(truth))], object), truth, np.eye(3)[named])


def coverage(sizes: tuple[int, ...], right: float) -> float:
    """Return how often the 95 % interval holds the MCC of infinitely many such patients."""
    truth, rng = np.repeat([0, 1, 2], sizes), np.random.default_rng(1)
    expected = np.full((3, 3), (1 - right) / 2) + np.eye(3) * (right - (1 - right) / 2)
    true = mcc(expected * np.array(sizes)[:, None])
    drawn = [resample(truth, REPLICATES, seed=number) for number in range(20)]  # in turn: drawing them costs most
    held = 0
    for number in range(DATA_SETS):
        weights = drawn[number % len(drawn)]
        named = answered(truth, right, rng).predicted
        low, high = interval(mcc(resampled_confusion(truth, named, weights, 3)))
        held += low <= true <= high
    return held / DATA_SETS


def rejected(sizes: tuple[int, ...], seeds: tuple[int, int], data_sets: int) -> tuple[float, float]:
    """Return how often two equal arms are told apart at 5 %, by permutation and by the paired bootstrap."""
    truth, rng = np.repeat([0, 1, 2], sizes), np.random.default_rng(2)
    found = []
    for _ in range(data_sets):
        patients = rng.random(len(truth))
        arms = [[[answered(truth, 0.75, rng, patients)] for _ in range(count)] for count in seeds]
        gap = paired_difference(*arms, REPLICATES)
        assert gap is not None
        found.append((gap.p <= 0.05, gap.p_bootstrap <= 0.05))
    permutation, bootstrap = np.mean(found, axis=0)
    return float(permutation), float(bootstrap)


def over_seeds(sizes: tuple[int, ...], common: float, own: float, data_sets: int) -> tuple[float, float, float]:
    """Return how often the interval over patients and three seeds holds the difference of two equal arms, which is 0.

    A seed shifts how often both arms are right by a deviation of ``common``, and each by itself of ``own``.

    Returns:
        of arms that say their seeds (compared seed by seed), and its mean width; of arms that do not.
    """
    truth, rng = np.repeat([0, 1, 2], sizes), np.random.default_rng(3)
    held, widths, held_apart = 0, 0.0, 0
    for _ in range(data_sets):
        patients, shared = rng.random(len(truth)), rng.normal(0, common, 3)
        chances = np.clip(0.75 + shared + rng.normal(0, own, (2, 3)), 0.4, 0.95)
        arms = [[[answered(truth, right, rng, patients)] for right in each] for each in chances]
        named = [[[replace(run[0], seed=seed)] for seed, run in enumerate(arm)] for arm in arms]
        gap, apart = paired_difference(*named, REPLICATES), paired_difference(*arms, REPLICATES)
        assert gap is not None
        assert apart is not None
        held += gap.total_low <= 0 <= gap.total_high
        widths += gap.total_high - gap.total_low
        held_apart += apart.total_low <= 0 <= apart.total_high
    return held / data_sets, widths / data_sets, held_apart / data_sets


def cost(results: Path) -> None:
    """Print the CPU seconds of every arm's main row and of its 15 sets under both protocols."""
    began, cells = time.process_time(), 0
    runs = sorted(results.glob("runs/*/seed-0/predictions.parquet"))
    for path in runs:
        answers = group(read_predictions(path))
        readout = next(name for name in ("cls", "head") if any(place.readout == name for place in answers))
        for protocol in ("refit", "transfer"):
            for sequences in SETS:
                found = answers.get(Place("test", sequences, protocol, readout))
                if found is not None:
                    arm_mcc([[found]], REPLICATES)
                    arm_metrics([[found]], REPLICATES)
                    cells += 1
    spent = time.process_time() - began
    print(f"every metric, {len(runs)} arms, {cells} sets and protocols, {REPLICATES:,} replicates: {spent:.1f} CPU s")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("results", nargs="?", type=Path)
    parser.add_argument("--data-sets", type=int, default=DATA_SETS)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    for name, sizes in SIZES.items() if not given.only else ():
        for right in (0.6, 0.75, 0.9):
            print(f"coverage, {name}, {right:.0%} right: {coverage(sizes, right):.1%}", flush=True)
    error = math.sqrt(0.05 * 0.95 / given.data_sets)
    for name, sizes in SIZES.items():
        for seeds in ((1, 1), (3, 3), (3, 1)) if name.startswith(given.only) else ():
            permutation, bootstrap = rejected(sizes, seeds, given.data_sets)
            said = f"size, {name}, {seeds[0]} and {seeds[1]} seeds: permutation {permutation:.2%}, bootstrap {bootstrap:.2%}"
            print(f"{said} (of {given.data_sets:,} data sets: standard error {error:.2%})", flush=True)
    for name, sizes in SIZES.items():
        for common, own in ((0.0, 0.02), (0.03, 0.005), (0.03, 0.02)) if name.startswith(given.only) else ():
            held, width, apart = over_seeds(sizes, common, own, min(given.data_sets, DATA_SETS))
            print(
                f"coverage over patients and 3 seeds, {name}, seeds' deviation common {common}, own {own}:"
                f" {held:.1%} seed by seed (width {width:.2f}), {apart:.1%} by the sum of both arms' variances",
                flush=True,
            )
    if given.results:
        cost(given.results)


if __name__ == "__main__":
    main()
