"""The student's loss, against what can be worked out by hand."""

import pytest
import torch
from torch.nn import functional as F

from tunewheel.models.distillation.loss import Blend, blended, disagreement
from tunewheel.models.network import Network
from tunewheel.tasks import IGNORED, Head


@pytest.fixture
def network(tiny_base):
    from transformers import AutoModel

    def build(head, blend):
        torch.manual_seed(1)
        made = Network.on(AutoModel.from_pretrained(tiny_base), head)
        made.blend = blend
        return made

    return build


def test_who_agrees_loses_nothing_at_any_temperature():
    logits = torch.randn(5, 4)
    for independent in (False, True):
        for temperature in (1.0, 3.0):
            assert disagreement(logits, logits, temperature, independent=independent).abs().max() < 1e-5
            assert (disagreement(logits, -logits, temperature, independent=independent) > 0).all()


def test_gradients_keep_their_size_under_the_temperature():
    """For small logits the gradient is (z - v) / outputs at any high temperature (Hinton et al. 2015, equation 4)."""
    teacher = 0.01 * torch.tensor([[1.0, -1.0, 0.0, 0.0]])
    for temperature in (5.0, 50.0):
        student = torch.zeros(1, 4, requires_grad=True)
        disagreement(student, teacher, temperature, independent=False).sum().backward()
        assert torch.allclose(student.grad, (0 - teacher) / 4, rtol=0.02, atol=1e-5)


def test_texts_without_labels_learn_from_the_teacher_alone(network):
    net = network(Head("sequence", 3, "cross_entropy"), Blend(2.0, 0.25))
    logits, soft = torch.randn(4, 3), torch.randn(4, 3)
    labels = torch.tensor([1, IGNORED, 0, IGNORED])
    found = blended(net, logits, labels, soft, torch.ones(4, 5))
    apart = disagreement(logits, soft, 2.0, independent=False)
    hard = F.cross_entropy(logits[[0, 2]], labels[[0, 2]], reduction="sum")
    by_hand = (0.25 * apart[[0, 2]].sum() + apart[[1, 3]].sum() + 0.75 * hard) / 4
    assert torch.allclose(found, by_hand)
    nobody = blended(net, logits, torch.full((4,), IGNORED), soft, torch.ones(4, 5))
    assert torch.allclose(nobody, apart.mean())


def test_several_labels_and_pieces_the_teacher_is_silent_about(network):
    net = network(Head("sequence", 2, "binary"), Blend(1.0, 1.0))
    logits, soft = torch.randn(2, 2), torch.randn(2, 2)
    labels = torch.tensor([[1.0, 0.0], [IGNORED, IGNORED]])
    apart = disagreement(logits, soft, 1.0, independent=True)
    assert torch.allclose(blended(net, logits, labels, soft, torch.ones(2, 3)), apart.mean())
    net = network(Head("token", 3, "cross_entropy"), Blend(1.0, 1.0))
    logits, soft = torch.randn(2, 4, 3, requires_grad=True), torch.randn(2, 4, 3)
    soft[0, 2:] = soft[1, 1] = torch.nan
    labels = torch.full((2, 4), IGNORED)
    loss = blended(net, logits, labels, soft, torch.ones(2, 4))
    loss.backward()
    assert (logits.grad[0, 2:] == 0).all() and (logits.grad[1, 1] == 0).all() and (logits.grad[1, 2] != 0).any()


def test_a_crf_is_held_to_the_teachers_marginals(network):
    """Gold text by the likelihood of its labels, all text by marginals; agreeing marginals cost nothing."""
    net = network(Head("token", 3, "crf"), Blend(1.0, 0.5))
    logits, mask = torch.randn(2, 4, 3), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    with torch.no_grad():
        soft = net.crf(logits, mask).where(mask[..., None].bool(), torch.nan)
    none = torch.full((2, 4), IGNORED)
    assert blended(net, logits, none, soft, mask).abs() < 1e-5
    labels = torch.tensor([[0, 1, 2, 0], [IGNORED] * 4])
    hard = net.crf.negative_log_likelihood(logits[:1], labels[:1], mask[:1])
    assert torch.allclose(blended(net, logits, labels, soft, mask), 0.5 * 4 / 6 * hard, atol=1e-5)
