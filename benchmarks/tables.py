"""What the paper's study costs before any scan is opened: manifests with labels, the audit's candidates, splits.

    python benchmarks/tables.py [--times 10]

Writes the seven cohorts of ``tests/cohorts/trees.py`` in the authors' numbers (3,570 patients, tiny files) into a temporary
folder, prints what ``mmdino cohorts check`` says of them, and reads them by ``config/studies/paper.yaml``. Brains are smooth
noise with what many share, a patient the other's copy 76 times: the audit takes its time for their number, not for what they
show (on phantoms: ``leakage.py``).
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from tqdm import trange

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from cohorts.trees import TREES  # noqa: E402
from factories import as_preprocessed  # noqa: E402
from mmdino.cohorts import build_manifest  # noqa: E402
from mmdino.cohorts.common.check import check_folders  # noqa: E402
from mmdino.config import load_study  # noqa: E402
from mmdino.dataset.splits import make_splits  # noqa: E402
from mmdino.leakage.audit import audit  # noqa: E402
from mmdino.leakage.descriptor import GRID  # noqa: E402
from mmdino.leakage.fingerprint import Fingerprints  # noqa: E402
from mmdino.tables import SEQUENCES  # noqa: E402

WRITTEN = {  # patients of each tree; some of UPENN-GBM's and LUMIERE's have no pre-operative scan
    **{"brats2021": 1303, "egd": 774, "upenn-gbm": 764, "ucsf-pdgm": 501, "lumiere": 98, "rembrandt": 64, "tcga": 243}
}
TWINS = 76  # of the test cohort, who are in BraTS 2021 too


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--times", type=int, default=1, help="so many times the authors' patients; of more than 1 no audit"
    )
    times = parser.parse_args().times
    study = load_study(ROOT / "config" / "studies" / "paper.yaml").study
    with tempfile.TemporaryDirectory() as folder:
        root, seconds = Path(folder), {}
        for name in study.cohorts:
            TREES[name](root / name, times * WRITTEN[name], 0)
        if times == 1:
            print(*check_folders([root / name for name in study.cohorts]), sep="\n\n")
        started = time.process_time()
        manifests = pd.concat(
            [build_manifest(name, cohort, root / name, study.labels) for name, cohort in study.cohorts.items()]
        )
        seconds["manifests and labels"] = time.process_time() - started
        usable, pairs = manifests[manifests["excluded"] == ""], None
        if times == 1:
            fingerprints(usable).save(root / "fingerprints.npz")
            started = time.process_time()
            pairs = audit(manifests, Fingerprints.load([root / "fingerprints.npz"]), study.leakage)
            seconds["audit"] = time.process_time() - started
        started = time.process_time()
        splits = make_splits(study, manifests, as_preprocessed(usable), pairs)
        seconds["splits"] = time.process_time() - started
    found = {
        "sessions": len(manifests),
        "patients": len(usable),
        "pairs": {} if pairs is None else pairs["evidence"].value_counts().to_dict(),
        "splits": splits["split"].value_counts().to_dict(),
        "cpu s": seconds | {"together": sum(seconds.values())},
        "peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    print(json.dumps(found, indent=1))


def fingerprints(usable: pd.DataFrame) -> Fingerprints:
    rng = np.random.default_rng(0)
    people = usable.reset_index(drop=True)
    crops = np.zeros((len(people), len(SEQUENCES), *GRID), np.float16)
    shape = crops.shape[1:]
    shared = rng.standard_normal((10, *shape), np.float32)
    for number in trange(len(people), desc="brains", disable=None):
        weights = rng.normal(0, 0.4, len(shared)).astype(np.float32)
        brain = np.tensordot(weights, shared, axes=1) + rng.standard_normal(shape, np.float32)
        crops[number] = gaussian_filter(brain, (0, 1.5, 1.5, 1.5))
    home, away = (people.index[people["cohort"] == name][:TWINS] for name in ("brats2021", "tcga"))
    crops[away] = crops[home, :, ::-1]
    empty = np.full((len(people), len(SEQUENCES)), "", "<U32")
    return Fingerprints(people["cohort"].to_numpy(str), people["subject"].to_numpy(str), crops, empty, empty)


if __name__ == "__main__":
    main()
