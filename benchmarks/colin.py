"""HD-BET on a real head: Colin27 as Debian's `mricron-data` carries it, `ch2` against its brain `ch2bet`.

python benchmarks/colin.py
"""

import time
from pathlib import Path

import numpy as np

from mmdino.nifti import Volume, read_volume
from mmdino.preprocess.environment import one_thread
from mmdino.preprocess.images import dice

TEMPLATES = Path("/usr/share/mricron/templates")


def main() -> None:
    one_thread(0)
    from mmdino.preprocess.brain import extract_brain

    head, brain = (read_volume(TEMPLATES / f"{name}.nii.gz") for name in ("ch2", "ch2bet"))
    start = time.process_time()
    mask = extract_brain(Volume(head.array.astype(np.float32), head.affine), "hd-bet-v1")
    print(f"Dice {dice(mask, brain.array > 0):.3f}, {time.process_time() - start:.0f} CPU s")


if __name__ == "__main__":
    main()
