"""A real head through the chain: Colin27 as Debian's `mricron-data` carries it, `ch2` and its brain `ch2bet`.

    python benchmarks/colin.py OUT

HD-BET on the head as it is; then four thick-slice files made of it (other grey values, moved, in four orientations),
brought back to its own brain as the atlas, where the true movements are known.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import affine_transform

from mmdino.config import Cohort, Preprocess
from mmdino.nifti import Volume, read_labels, read_volume, write_volume
from mmdino.phantom.native import HEAD_GRID, Protocol, Scan, scan_session
from mmdino.phantom.patient import Rendering, draw_patient
from mmdino.preprocess.environment import one_thread
from mmdino.preprocess.images import dice
from mmdino.preprocess.registration import Pull, read_pull
from mmdino.preprocess.shard import run_shard
from mmdino.tables import MANIFEST, SEQUENCES

TEMPLATES = Path("/usr/share/mricron/templates")
HEAD, BRAIN = TEMPLATES / "ch2.nii.gz", TEMPLATES / "ch2bet.nii.gz"
PROTOCOLS = {
    "t1": Protocol("PSR", (1.0, 1.0, 4.0)),
    "t1c": Protocol("LPS", (1.0, 1.0, 3.0)),
    "t2": Protocol("RAS", (1.0, 1.0, 5.0)),
    "flair": Protocol("LSP", (1.0, 1.0, 4.0)),
}


def main(out: Path) -> None:
    one_thread(0)
    from mmdino.preprocess.brain import extract_brain

    head, brain = read_volume(HEAD), read_labels(BRAIN).array > 0
    start = time.process_time()
    mask = extract_brain(Volume(head.array.astype(np.float32), head.affine), "hd-bet-v1")
    print(f"HD-BET, as it is: Dice {dice(mask, brain):.3f}, {time.process_time() - start:.0f} CPU s")
    row, scans = write_scans(head, out)
    settings = Preprocess(atlas=str(BRAIN), segmenter="none")
    done = run_shard("colin", Cohort(stage="native", path="raw"), settings, pd.DataFrame([row]), out / "derivatives")
    chain = done.iloc[0]
    if chain["status"] != "done":
        raise SystemExit(chain["reason"])
    found = {
        path.name.split("_from-")[1].split("_")[0]: read_pull(path) for path in Path(chain["transforms"]).iterdir()
    }
    print(f"the chain: {chain['seconds']:.0f} CPU s, Dice {dice(read_labels(chain['mask']).array > 0, brain):.3f}")
    for name, scan in scans.items():
        print(f"{name} to atlas: {error_mm(found[name], np.linalg.inv(scan.to_atlas)):.2f} mm on average")


def make_scans(head: Volume) -> dict[str, Scan]:
    """Return the head as four scans, each with its true movement."""
    to_head = np.linalg.inv(head.affine) @ HEAD_GRID.affine
    array = head.array.astype(np.float32)
    shown = affine_transform(array, to_head[:3, :3], to_head[:3, 3], HEAD_GRID.shape, order=1)
    shown /= np.percentile(shown[shown > 0], 99.5)
    inside = np.clip(shown / 0.05, 0, 1)
    contrasts = {
        "t1": shown,
        "t1c": shown**0.8,
        "t2": inside * np.clip(1.1 - shown, 0, 1),
        "flair": inside * np.clip(1 - 1.6 * np.abs(shown - 0.6), 0, 1),
    }
    images = np.stack([contrasts[name] for name in SEQUENCES]).astype(np.float32)
    nothing = np.zeros(HEAD_GRID.shape, np.uint8)
    who = draw_patient("colin", "default", "site-a", 0)  # decides how the head is moved, and nothing else
    return scan_session(who, Rendering(images, nothing, nothing > 0), PROTOCOLS)


def write_scans(head: Volume, out: Path) -> tuple[dict[str, str], dict[str, Scan]]:
    """Write the scans and, as a segmentation, a ball; return the manifest's row and the scans."""
    scans = make_scans(head)
    row = dict.fromkeys(MANIFEST.columns, "") | {"subject": "colin", "session": "preop", "cohort": "colin"}
    for name, scan in scans.items():
        row[name] = str(out / f"colin_{name}.nii.gz")
        write_volume(scan.image, scan.affine, row[name])
    t1c = scans["t1c"]
    places = np.indices(t1c.image.shape).reshape(3, -1).T @ t1c.affine[:3, :3].T + t1c.affine[:3, 3]
    centre = np.linalg.inv(t1c.to_atlas)[:3] @ [30, -20, 25, 1]
    ball = np.linalg.norm(places - centre, axis=1).reshape(t1c.image.shape) < 15
    row["seg"] = str(out / "colin_seg.nii.gz")
    write_volume(ball.astype(np.uint8), t1c.affine, row["seg"])
    return row, scans


def error_mm(found: Pull, true: Pull) -> float:
    """Return the mean distance, over Colin's brain, of where two pulls look for a point."""
    brain = read_labels(BRAIN)
    places = np.argwhere(brain.array > 0)[::997] @ brain.affine[:3, :3].T + brain.affine[:3, 3]
    apart = np.c_[places, np.ones(len(places))] @ (found - true).T
    return float(np.linalg.norm(apart[:, :3], axis=1).mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
