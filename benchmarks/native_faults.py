"""Quality control on native heads through the real chain: does it flag planted faults, and pass unharmed patients?

    python benchmarks/native_faults.py OUT [--patients 8] [--sites site-a site-b] [--processes 2]

Makes native phantoms of each site (a seed of no study and of no test), plants one fault each in copies of the first site's,
preprocesses all, a site a process, and judges them site by site by the default thresholds: each faulty one among the
unharmed ones of its site. A second start with the same OUT makes only what is missing.
"""

import argparse
from collections.abc import Callable
from functools import partial
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd

from mmdino.config import Cohort, Preprocess
from mmdino.config.phantom import PhantomCohort
from mmdino.config.quality import Quality
from mmdino.forked import forked
from mmdino.nifti import read_volume, write_volume
from mmdino.phantom.cohort import write_cohort
from mmdino.preprocess.quality.judge import LEAST_PATIENTS, judge
from mmdino.preprocess.shard import run_shard
from mmdino.tables import MANIFEST, SEQUENCES

SEED = 30_001
CUT_MM = 45  # from the top of the head
HEAD, HEAD_PLANE = 0.2, 0.01  # grey value, of the brightest; share of a plane that is brighter, where there is head
Paths = dict[str, Path]


def change(path: Path, how: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    """Replace a scan's voxels by what ``how`` makes of them and of the affine; the header stays."""
    volume = read_volume(path)
    path.unlink()
    write_volume(how(volume.array, volume.affine), volume.affine, path)


def flipped(scans: Paths) -> None:
    """Left and right exchanged in t2 (its first axis runs to the left)."""
    change(scans["t2"], lambda array, _: array[::-1].copy())


def cut(scans: Paths) -> None:
    """The top of the head, skin and bone included, was not scanned in t1c, whose planes are axial."""
    volume = read_volume(scans["t1c"])
    scans["t1c"].unlink()
    bright = volume.array > HEAD * np.percentile(volume.array, 99)
    top = np.flatnonzero(bright.mean(axis=(0, 1)) > HEAD_PLANE)[-1]
    seen = top - round(CUT_MM / volume.spacing[2])
    write_volume(volume.array[:, :, :seen], volume.affine, scans["t1c"])


def mixed_up(scans: Paths) -> None:
    """T2 and FLAIR bear each other's names."""
    aside = scans["t2"].with_name("aside.nii.gz")
    scans["t2"].rename(aside)
    scans["flair"].rename(scans["t2"])
    aside.rename(scans["flair"])


def unregistered(scans: Paths) -> None:
    """T2 lies upside down and back to front in its header, too far away for registration to find."""
    change(scans["t2"], lambda array, _: array[:, ::-1, ::-1].copy())


def brainless(scans: Paths) -> None:
    """T1c is the bottle by which a scanner is tested."""
    change(scans["t1c"], _bottle)


def _bottle(array: np.ndarray, affine: np.ndarray) -> np.ndarray:
    middle = (np.array(array.shape) - 1) / 2
    places = np.stack(np.indices(array.shape), -1) - middle
    radius = np.linalg.norm(places * np.linalg.norm(affine[:3, :3], axis=0), axis=-1)
    noise = np.random.default_rng(0).normal(0, 20, array.shape)
    return (np.where(radius < 80, 900, 0) + np.abs(noise)).astype(np.int16)


FAULTS = (brainless, flipped, cut, mixed_up, unregistered)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--patients", type=int, default=LEAST_PATIENTS, help="unharmed ones a site")
    parser.add_argument("--sites", nargs="+", default=["site-a"])
    parser.add_argument("--processes", type=int, default=1)
    given = parser.parse_args()
    works = {site: partial(unharmed, site, given.patients, given.out) for site in given.sites}
    whole = forked(works, given.processes, "sites", "site")
    passed = [judge(table, Quality(), {}, site) for site, table in whole.items()]
    judged = pd.concat(passed, ignore_index=True)
    print(f"{(judged['flags'] == '').sum()} of {len(judged)} unharmed patients pass")
    print(judged[judged["flags"] != ""][["cohort", "subject", "flags"]].to_string(header=False))
    first = given.sites[0]
    sources = [row(folder, folder.name, first) for folder in folders(given.out / "raw" / first)]
    spoilt = [plant(fault, source, given.out / "spoilt") for fault, source in zip(FAULTS, cycle(sources))]
    alone = {fault.__name__: partial(preprocessed, [made], first, given.out) for fault, made in zip(FAULTS, spoilt)}
    for name, faulty in forked(alone, given.processes, "faults", "fault").items():
        last = judge(pd.concat([whole[first], faulty], ignore_index=True), Quality(), {}, first).iloc[-1]
        print(f"{name}: {last['status']}; {last['flags'] or last['reason']}")
        print(faulty.select_dtypes("number").drop(columns="similarity_z").round(3).to_string(index=False))
    print(judged.set_index("subject").select_dtypes("number").describe().round(3).T.to_string())


def unharmed(site: str, patients: int, out: Path) -> pd.DataFrame:
    """Make a site's patients and return them preprocessed."""
    raw = out / "raw" / site
    write_cohort(site, PhantomCohort(site=site, patients=patients, seed=SEED), "native", raw, out / "truth")
    return preprocessed([row(folder, folder.name, site) for folder in folders(raw)], site, out)


def preprocessed(rows: list[dict[str, str]], site: str, out: Path) -> pd.DataFrame:
    """Return ``tables.PREPROCESSED`` of some rows of a manifest."""
    return run_shard(
        site,
        Cohort(stage="native", path=str(out / "raw" / site)),
        Preprocess(),
        pd.DataFrame(rows),
        out / "derivatives" / site,
    )


def folders(raw: Path) -> list[Path]:
    """Return the patients' folders."""
    return [folder for folder in sorted(raw.iterdir()) if folder.is_dir()]


def row(folder: Path, source: str, site: str) -> dict[str, str]:
    """Return the manifest row of a folder whose files are named after ``source``."""
    empty = dict.fromkeys(MANIFEST.columns, "") | {"subject": folder.name, "patient": folder.name, "cohort": site}
    return empty | {name: str(folder / f"{source}_{name}.nii.gz") for name in SEQUENCES}


def plant(fault: Callable[[Paths], None], source: dict[str, str], spoilt: Path) -> dict[str, str]:
    """Copy a patient, spoil the copy unless that was done before, and return its row."""
    folder = spoilt / fault.__name__.replace("_", "-")
    made = row(folder, source["subject"], source["cohort"])
    if not folder.exists():
        half = folder.with_suffix(".half")
        half.mkdir(parents=True, exist_ok=True)
        scans = {name: half / Path(source[name]).name for name in SEQUENCES}
        for name, path in scans.items():
            path.write_bytes(Path(source[name]).read_bytes())
        fault(scans)
        half.rename(folder)
    return made


if __name__ == "__main__":
    main()
