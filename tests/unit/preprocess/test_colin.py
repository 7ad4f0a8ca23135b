"""A real head, where Debian's `mricron-data` is installed: the figures of docs/benchmarks-preprocessing.md hold."""

import numpy as np
import pytest

import colin
from mmdino.nifti import Volume, read_volume
from mmdino.preprocess.environment import one_thread
from mmdino.preprocess.images import harmonise
from mmdino.preprocess.registration import register

pytestmark = pytest.mark.skipif(not colin.HEAD.exists(), reason="Debian's mricron-data is not installed")


def test_a_thick_moved_coronal_file_of_another_contrast_finds_the_head():
    one_thread(0)
    scans = colin.make_scans(read_volume(colin.HEAD))
    t1c, flair = (harmonise(Volume(scans[name].image, scans[name].affine), name) for name in ("t1c", "flair"))
    true = {name: np.linalg.inv(scans[name].to_atlas) for name in ("t1c", "flair")}
    found = register(t1c, flair, "rigid") @ true["t1c"]
    assert colin.error_mm(found, true["flair"]) < 1


@pytest.mark.slow
def test_the_chain_strips_and_registers_it(tmp_path, capsys):
    colin.main(tmp_path)
    told = capsys.readouterr().out.splitlines()
    dice = [float(line.split("Dice ")[1].split(",")[0]) for line in told if "Dice" in line]
    errors = [float(line.split(": ")[1].split()[0]) for line in told if line.endswith("on average")]
    assert len(dice) == 2
    assert min(dice) >= 0.93
    assert len(errors) == 4
    assert np.mean(errors) <= 1
