"""Sequences go by name: their order, their number and the company of other patients change nothing."""

import itertools

import pytest
import torch

from mmdino.errors import UserError
from mmdino.models.vit import MultiModalViT, ViTShape
from mmdino.tables import SEQUENCES


def network(**changes):
    torch.manual_seed(0)
    model = MultiModalViT(ViTShape(**{"dim": 32, "depth": 2, "heads": 2, "grid": 7, "layer_scale": 0.5, **changes}))
    torch.nn.init.normal_(model.mask_token)
    return model.eval()


def images(patients=3, sequences=4, size=42):
    return torch.randn(patients, sequences, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("registers", [0, 4])
def test_permuting_sequences_by_name_changes_nothing(registers):
    model, x = network(registers=registers), images()
    masks = torch.rand(3, 4, 9, generator=torch.Generator().manual_seed(2)) < 0.4
    expected = model(x, SEQUENCES, masks.flatten(1))
    for order in itertools.permutations(range(4)):
        names = [SEQUENCES[number] for number in order]
        seen = model(x[:, order], names, masks[:, order].flatten(1))
        torch.testing.assert_close(seen.cls, expected.cls, atol=1e-6, rtol=0)
        torch.testing.assert_close(
            seen.patches.unflatten(1, (4, 9)), expected.patches.unflatten(1, (4, 9))[:, order], atol=2e-6, rtol=0
        )


def test_a_subset_takes_the_embeddings_of_its_names():
    """The released code gives fewer channels always the first embeddings."""
    model, x = network(), images(sequences=2)
    chosen, first = model(x, ("t2", "flair")).cls, model(x, SEQUENCES[:2]).cls
    assert not torch.allclose(chosen, first, atol=1e-3)
    with torch.no_grad():
        model.mri_seq_embed.weight[:2] += 1  # nobody looks at these
    torch.testing.assert_close(model(x, ("t2", "flair")).cls, chosen)


def test_what_is_left_of_a_stack_keeps_its_place_in_it():
    model, x = network(imgwise=False, modality_embedding=False), images()
    whole = model.embed(x, SEQUENCES)[:, 1:].unflatten(1, (4, 9))
    for given in ((1,), (0, 3), (1, 2, 3)):
        names = [SEQUENCES[number] for number in given]
        left = model.embed(x[:, given], names, stack=SEQUENCES)[:, 1:].unflatten(1, (len(given), 9))
        torch.testing.assert_close(left, whole[:, given], atol=0, rtol=0)


def test_pixels_of_a_masked_sequence_have_exactly_no_influence():
    model, x = network(), images().requires_grad_()
    masks = torch.zeros(3, 4, 9, dtype=torch.bool)
    masks[:, 2] = True
    seen = model(x, SEQUENCES, masks.flatten(1))
    (seen.cls.square().sum() + seen.patches.square().sum()).backward()
    assert (x.grad[:, 2] == 0).all()
    assert (x.grad[:, [0, 1, 3]] != 0).any()


def test_further_patients_in_a_batch_change_nothing():
    model, x = network(), images(patients=5)
    masks = torch.rand(5, 36, generator=torch.Generator().manual_seed(2)) < 0.4
    together, alone = model(x, SEQUENCES, masks), model(x[:2], SEQUENCES, masks[:2])
    torch.testing.assert_close(together.cls[:2], alone.cls, atol=1e-6, rtol=0)
    torch.testing.assert_close(together.patches[:2], alone.patches, atol=2e-6, rtol=0)


@pytest.mark.parametrize("size", [14, 28, 56, 98])
def test_any_multiple_of_the_patch_is_a_size(size):
    assert network()(images(size=size), SEQUENCES).patches.shape == (3, 4 * (size // 14) ** 2, 32)


@pytest.mark.parametrize(
    ("x", "names", "said"),
    [
        (images(), ("t1", "t1c", "t2", "flare"), "unknown sequence 'flare'; did you mean 'flair'"),
        (images(), ("t1", "t1c", "t2"), "4 image channels, but the sequences named are t1, t1c, t2"),
        (images(sequences=2), ("t1", "t1"), "name each once"),
        (images(size=50), SEQUENCES, "50×50: both sides must be multiples of the patch, 14"),
        (images().double(), SEQUENCES, "images are torch.float64 and the weights torch.float32"),
    ],
)
def test_bad_images_are_one_clear_sentence(x, names, said):
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        network()(x, names)


@pytest.mark.parametrize("masks", [torch.ones(3, 36), torch.ones(3, 9, dtype=torch.bool)])
def test_bad_masks_are_one_clear_sentence(masks):
    with pytest.raises(UserError, match=r"one torch.bool a token is wanted, \(3, 36\)"):
        network()(images(), SEQUENCES, masks)
