"""Block masks, full-modality masks and their indices against the authors' code."""

import re

import numpy as np
import pytest
from scipy.stats import chisquare, ks_2samp

from mmdino.methods.mm_dinov2.masking import Masks, block_mask, block_masks, combine, hidden_sequences

from .fixtures import fixture_files

MASKING = fixture_files("masking*.npz")
COLLATED = fixture_files("collate_*.npz")
STEPS = fixture_files("step_*.npz")


@pytest.mark.parametrize("path", MASKING, ids=lambda path: path.stem)
def test_block_masks_are_distributed_alike(path):
    data = np.load(path)
    rng = np.random.default_rng(0)
    for side in [int(name[3:]) for name in data.files if re.fullmatch(r"req\d+", name)]:
        wanted, theirs, frequency = (data[f"{name}{side}"] for name in ("req", "got", "freq"))
        masks = np.array([block_mask(rng, side, int(count)) for count in wanted])
        assert ks_2samp(masks.sum((1, 2)) - wanted, theirs - wanted).pvalue > 0.01
        noise = np.sqrt(2 * frequency * (1 - frequency) / len(wanted)) + 1e-9
        assert np.mean(((masks.mean(0) - frequency) / noise) ** 2) < 1.5  # cells of one mask go together


@pytest.mark.parametrize("path", MASKING, ids=lambda path: path.stem)
def test_batches_of_masks_are_distributed_alike(path):
    data = np.load(path)
    rng = np.random.default_rng(0)
    batches, crops = data["collate_frac"].shape
    sequences = len(data["collate_channel_counts"])
    side = next(side for side in (7, 16) if np.allclose(data["collate_patch"] * side**2 % 1, 0, atol=1e-3))
    present = np.ones((crops, sequences), bool)
    shares, fractions, chosen = [], [], np.zeros(sequences)
    for _ in range(batches):
        blocks = block_masks(rng, crops, side, 0.5, (0.1, 0.5))
        hidden = hidden_sequences(rng, present, "one")
        assert (hidden.sum(1) == 1).all()
        shares.append(blocks.sum(1))
        fractions.append(combine(blocks, hidden, present).student.sum(1).numpy())
        chosen += hidden.sum(0)
    theirs = np.rint(data["collate_patch"] * side**2)  # counts: equal shares must compare as equal
    assert ks_2samp(np.ravel(shares), theirs.ravel()).pvalue > 0.01
    theirs = np.rint(data["collate_frac"] * side**2 * sequences)
    assert ks_2samp(np.ravel(fractions), theirs.ravel()).pvalue > 0.01
    assert chisquare(chosen).pvalue > 0.01


def check(masks, indices, weight):
    ours = Masks.of(masks, np.zeros_like(masks))
    np.testing.assert_array_equal(ours.indices, indices)
    np.testing.assert_allclose(ours.weight, weight, atol=1e-6)


@pytest.mark.parametrize("path", [*STEPS, *COLLATED], ids=lambda path: path.stem)
def test_indices_and_weights_of_masked_tokens(path):
    data = np.load(path)
    prefix = "in." if "in.collated_masks" in data else ""
    kinds = [kind for kind in (prefix, "nochan.") if f"{kind}collated_masks" in data]
    assert kinds
    for kind in kinds:
        check(*(data[kind + name] for name in ("collated_masks", "mask_indices_list", "masks_weight")))
