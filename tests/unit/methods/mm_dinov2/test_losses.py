import math

import pytest
import torch

from mmdino.methods.common.optimise import batch_class_weights
from mmdino.methods.mm_dinov2 import losses
from mmdino.methods.mm_dinov2.losses import Centring, SinkhornKnopp

ONE_CLASS = torch.tensor([1, 1, 1, -1])
TRAINING_SET = torch.tensor([0] * 30 + [1] * 45 + [2] * 25)


def pull_towards_truth(weight):
    """Return minus the gradient on the true class's scores of a batch of one class (> 0: towards the truth)."""
    scores = torch.zeros(1, 4, 3, requires_grad=True)
    losses.supervised_loss([scores], ONE_CLASS, weight, temperature=0.1, smoothing=0.1).backward()
    return -scores.grad[0, :3, 1]


def test_a_one_class_batch_pulls_towards_the_truth_only_with_the_training_sets_weights():
    assert (pull_towards_truth(batch_class_weights(TRAINING_SET, 3)) > 0).all()
    assert (pull_towards_truth(batch_class_weights(ONE_CLASS, 3)) < 0).all()  # the released code's defect


def test_unlabelled_patients_have_no_part_in_the_supervised_term():
    scores = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    losses.supervised_loss([scores], ONE_CLASS, torch.ones(3), 0.1, 0.1).backward()
    assert (scores.grad[:, 3] == 0).all()
    assert (scores.grad[:, :3, :3] != 0).all()
    assert (scores.grad[..., 3:] == 0).all()  # nor have prototypes that are no classes


def test_a_batch_without_labels_costs_nothing():
    scores = torch.randn(2, 4, 3, requires_grad=True)
    assert losses.supervised_loss([scores], torch.full((4,), -1), torch.ones(3), 0.1, 0.1) == 0


def test_the_centre_is_that_of_the_batches_before():
    centring = Centring(3, momentum=0.5)
    first = torch.tensor([[2.0, 0.0, 0.0]])
    torch.testing.assert_close(centring(first, 1.0), first.softmax(-1))
    torch.testing.assert_close(centring(first, 1.0), torch.tensor([[1.0, 0.0, 0.0]]).softmax(-1))


def test_sinkhorn_uses_all_prototypes_alike():
    scores = torch.randn(64, 4, generator=torch.Generator().manual_seed(0)) + torch.tensor([5.0, 0.0, 0.0, 0.0])
    target = SinkhornKnopp()(scores, 0.5)
    torch.testing.assert_close(target.sum(1), torch.ones(64))
    torch.testing.assert_close(target.mean(0), torch.full((4,), 0.25), atol=0.05, rtol=0)


def test_dino_loss_is_the_targets_entropy_where_the_student_agrees():
    target = torch.tensor([0.5, 0.25, 0.25]).expand(2, 4, 3)
    student = 0.1 * target.log()
    entropy = 0.5 * math.log(2) + 0.5 * math.log(4)
    assert losses.dino_loss(student, target, 0.1).item() == pytest.approx(4 * entropy, abs=1e-5)
    assert losses.dino_loss(student, target, 0.1, swapped=True).item() == pytest.approx(2 * entropy, abs=1e-5)


def test_koleo_drives_neighbours_apart():
    x = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]], requires_grad=True)
    losses.koleo_loss(x).backward()
    moved = x - 0.01 * x.grad
    assert (moved[0] - moved[1]).norm() > (x[0] - x[1]).norm()
