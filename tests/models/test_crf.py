from itertools import product

import pytest
import torch

from tunewheel.models.crf import LinearChainCrf


@pytest.fixture
def case():
    torch.manual_seed(2)
    crf = LinearChainCrf(3)
    return crf, torch.randn(2, 4, 3), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])


def score(crf, emissions, path):
    total = crf.start[path[0]] + crf.end[path[-1]]
    for t, label in enumerate(path):
        total = total + emissions[t, label]
        if t:
            total = total + crf.transitions[path[t - 1], label]
    return total


def test_likelihood_and_marginals_equal_enumeration(case):
    crf, emissions, mask = case
    labels = torch.tensor([[0, 2, 1, 1], [2, 0, 0, 0]])
    expected, marginals = torch.zeros(()), crf(emissions, mask).exp()
    for row in range(2):
        n = int(mask[row].sum())
        paths = list(product(range(3), repeat=n))
        scores = torch.stack([score(crf, emissions[row], path) for path in paths])
        expected = expected + torch.logsumexp(scores, 0) - score(crf, emissions[row], labels[row, :n].tolist())
        p = scores.softmax(0)
        for t in range(n):
            for label in range(3):
                mass = sum(p[i] for i, path in enumerate(paths) if path[t] == label)
                assert marginals[row, t, label].item() == pytest.approx(mass.item(), abs=1e-5)
    loss = crf.negative_log_likelihood(emissions, labels, mask)
    assert loss.item() == pytest.approx((expected / mask.sum()).item(), abs=1e-5)


def test_padding_changes_nothing(case):
    crf, emissions, _ = case
    alone = crf(emissions[:1, :2], torch.ones(1, 2, dtype=torch.long))
    padded = crf(emissions[:1], torch.tensor([[1, 1, 0, 0]]))
    assert torch.allclose(alone, padded[:, :2], atol=1e-6)
