"""P1, P2: a training sample, and the slice bank that it comes from, beside reading whole volumes."""

import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from goals import times_as_long, times_faster
from mmdino.config import Bank
from mmdino.dataset.bank import SliceBank
from mmdino.dataset.build import build_bank
from mmdino.methods.common.batch import Unrendered
from mmdino.methods.common.draws import Drawn
from mmdino.methods.common.views import draw_views, read_slices
from mmdino.methods.mm_dinov2.settings import Settings
from mmdino.methods.mm_dinov2.views import global_views, local_views
from released import sample
from volumes import preprocessed, write_patient

BATCH = 64
SETTINGS = Settings()
VIEWS = [global_views(SETTINGS), local_views(SETTINGS)]
RELEASED = "four volumes read, ten views one by one"


@pytest.fixture(scope="module")
def folders(tmp_path_factory, quick):
    made = tmp_path_factory.mktemp("patients")
    return [write_patient(made / f"p{number}", number) for number in range(2 if quick else 8)]


@pytest.fixture(scope="module")
def drawn(folders, tmp_path_factory):
    """Return what draws a batch's views, and leaves their rendering to others."""
    path = tmp_path_factory.mktemp("bank") / "bank"
    build_bank(preprocessed(folders), Bank(), path)
    bank, turns = SliceBank.open([path]), [Drawn(folders[n % len(folders)].name, n) for n in range(BATCH)]

    def draw() -> list[Unrendered]:
        slices = read_slices(bank, turns, SETTINGS.sequences, 0)
        return [draw_views(slices, turns, kinds, 0) for kinds in VIEWS]

    return draw


@pytest.fixture(scope="module")
def released(folders):
    """Return what makes two samples in the released code's way."""
    kinds = [(view.size, view.scale, view.blur, view.gamma) for views in VIEWS for view in views]
    rng = np.random.default_rng(0)
    return lambda: [sample(folder, rng, kinds) for folder in folders[:2]]


def test_p1_a_training_sample(beside, drawn, released):
    def ours() -> None:
        for unrendered in drawn():
            unrendered.render()

    what = "a training sample with its ten views"
    beside("P1", what, RELEASED, ours, released, times_faster(35, guard=10), per=(BATCH, 2))


def test_p1_a_training_sample_whose_views_a_gpu_makes(beside, drawn, released):
    what = "the same, its views left to a GPU"
    beside("P1", what, RELEASED, drawn, released, times_faster(35, guard=10), per=(BATCH, 2))


def test_p2_the_slice_bank(beside, folders, tmp_path):
    def build() -> None:
        anew = Path(tempfile.mkdtemp(dir=tmp_path))  # into a bank that is there, it would take everybody over
        build_bank(preprocessed(folders), Bank(), anew / "bank")

    def read() -> None:
        for folder in folders:
            for path in folder.iterdir():
                np.asarray(nib.load(path).dataobj)

    what, reference = "the slice bank, a patient", "reading the volumes once"
    beside("P2", what, reference, build, read, times_as_long(1.3, guard=4), per=(len(folders), len(folders)))
