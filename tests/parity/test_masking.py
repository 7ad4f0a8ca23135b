"""Block masks, full-modality masks and their indices against the authors' code."""

import re

import numpy as np
from scipy.stats import chisquare, ks_2samp

from mmdino.methods.mm_dinov2.masking import Masks, block_mask, block_masks, combine, hidden_sequences

from .fixtures import each


def drawn_alike(p_values):
    """Demand p > .01 of a file's two-sample tests together (Bonferroni)."""
    assert min(p_values) * len(p_values) > 0.01, p_values


def sides_of(data):
    return [int(name[3:]) for name in data.files if re.fullmatch(r"req\d+", name)]


@each("masking*.npz")
def test_block_masks_are_distributed_alike(path):
    data = np.load(path)
    rng = np.random.default_rng(0)
    p_values = []
    for side in sides_of(data):
        wanted, theirs, frequency = (data[f"{name}{side}"] for name in ("req", "got", "freq"))
        masks = np.array([block_mask(rng, side, int(count)) for count in wanted])
        p_values.append(ks_2samp(masks.sum((1, 2)) - wanted, theirs - wanted, method="asymp").pvalue)
        noise = np.sqrt(2 * frequency * (1 - frequency) / len(wanted)) + 1e-9
        assert np.mean(((masks.mean(0) - frequency) / noise) ** 2) < 1.5  # cells of one mask go together
    drawn_alike(p_values)


@each("masking*.npz")
def test_batches_of_masks_are_distributed_alike(path):
    data = np.load(path)
    rng = np.random.default_rng(0)
    batches, crops = data["collate_frac"].shape
    sequences = len(data["collate_channel_counts"])
    side = next(side for side in sides_of(data) if np.allclose(data["collate_patch"] * side**2 % 1, 0, atol=1e-3))
    hide = "one" if data["collate_nfull"].any() else "none"
    present = np.ones((crops, sequences), bool)
    shares, fractions, chosen = [], [], np.zeros(sequences)
    for _ in range(batches):
        blocks = block_masks(rng, crops, side, 0.5, (0.1, 0.5))
        hidden = hidden_sequences(rng, present, hide)
        np.testing.assert_array_equal(hidden.sum(1), data["collate_nfull"][0])
        shares.append(blocks.sum(1))
        fractions.append(combine(blocks, hidden, present).student.sum(1).numpy())
        chosen += hidden.sum(0)
    counts = np.rint(data["collate_patch"] * side**2)  # equal shares must compare as equal
    tokens = np.rint(data["collate_frac"] * side**2 * sequences)
    p_values = [
        ks_2samp(np.ravel(shares), counts.ravel(), method="asymp").pvalue,
        ks_2samp(np.ravel(fractions), tokens.ravel(), method="asymp").pvalue,
    ]
    drawn_alike([*p_values, chisquare(chosen).pvalue] if hide == "one" else p_values)


@each("step_*.npz", "collate_*.npz")
def test_indices_and_weights_of_masked_tokens(path):
    data = np.load(path)
    prefixes = [name.removesuffix("collated_masks") for name in data.files if name.endswith("collated_masks")]
    assert prefixes
    for prefix in prefixes:
        masks = data[f"{prefix}collated_masks"].astype(bool)
        ours = Masks.of(masks, np.zeros_like(masks))
        np.testing.assert_array_equal(ours.student, masks)
        np.testing.assert_array_equal(ours.indices, data[f"{prefix}mask_indices_list"])
        np.testing.assert_allclose(ours.weight, data[f"{prefix}masks_weight"], atol=1e-6)
        if f"{prefix}n_masked_patches" in data:
            assert len(ours.indices) == data[f"{prefix}n_masked_patches"]
