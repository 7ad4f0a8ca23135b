import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmdino.methods.mm_dinov2.masking import block_mask, block_masks, combine, hidden_sequences

PRESENT = st.lists(st.lists(st.booleans(), min_size=4, max_size=4).filter(any), min_size=1, max_size=6).map(np.array)
SETTINGS = st.sampled_from(["none", "one", "uniform"])


@given(seed=st.integers(0, 2**32), side=st.integers(2, 16), share=st.floats(0, 0.5))
def test_a_block_mask_never_hides_more_than_asked(seed, side, share):
    wanted = int(share * side * side)
    assert block_mask(np.random.default_rng(seed), side, wanted).sum() <= wanted


@given(seed=st.integers(0, 2**32), present=PRESENT, full_modality=SETTINGS)
def test_one_sequence_that_the_patient_has_always_stays_visible(seed, present, full_modality):
    hidden = hidden_sequences(np.random.default_rng(seed), present, full_modality)
    assert not (hidden & ~present).any()
    assert (present & ~hidden).any(1).all()


@pytest.mark.parametrize(("full_modality", "counts"), [("none", {0}), ("one", {1}), ("uniform", {0, 1, 2, 3})])
def test_how_many_sequences_are_hidden(full_modality, counts):
    hidden = hidden_sequences(np.random.default_rng(0), np.ones((200, 4), bool), full_modality)
    assert set(hidden.sum(1)) == counts


@given(seed=st.integers(0, 2**32), present=PRESENT, full_modality=SETTINGS)
def test_indices_are_the_masked_tokens_of_present_sequences(seed, present, full_modality):
    rng = np.random.default_rng(seed)
    blocks = block_masks(rng, len(present), 7, 0.5, (0.1, 0.5))
    hidden = hidden_sequences(rng, present, full_modality)
    masks = combine(blocks, hidden, present)
    by_sequence = masks.student.reshape(len(present), 4, 49).numpy()
    for crop, sequence in np.ndindex(present.shape):
        whole = hidden[crop, sequence] or not present[crop, sequence]
        np.testing.assert_array_equal(by_sequence[crop, sequence], np.ones(49, bool) if whole else blocks[crop])
    read = np.zeros(masks.student.numel(), bool)
    read[masks.indices] = True
    np.testing.assert_array_equal(read.reshape(masks.student.shape), masks.student & ~masks.absent)
    crop_of = masks.indices.numpy() // (4 * 49)
    sums = np.bincount(crop_of, masks.weight.numpy(), minlength=len(present))
    np.testing.assert_allclose(sums, read.reshape(len(present), -1).any(1), atol=1e-5)
