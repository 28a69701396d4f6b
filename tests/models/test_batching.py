from hypothesis import given
from hypothesis import strategies as st

from tunewheel.models.batching import TokenBudget, budgeted

lengths = st.lists(st.integers(1, 300), min_size=1, max_size=200)


@given(lengths, st.integers(8, 2000))
def test_batches_hold_every_row_and_keep_the_budget(sizes, budget):
    ordered = sorted(sizes)
    counts = budgeted(ordered, budget)
    assert sum(counts) == len(ordered)
    at = 0
    for count in counts:
        rows = ordered[at : at + count]
        at += count
        assert count == 1 or max(rows) * count <= budget


@given(lengths, st.integers(8, 2000), st.integers(0, 5))
def test_an_epoch_holds_every_row_once_in_a_known_number_of_batches(sizes, budget, epoch):
    sampler = TokenBudget(sizes, budget, seed=3)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sorted(i for batch in batches for i in batch) == list(range(len(sizes)))
    assert all(batches)


def test_epochs_differ_and_seeds_repeat():
    def order(seed, epoch):
        sampler = TokenBudget(list(range(5, 105)), 200, seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_padding_is_little():
    sizes = [5 + (i * 7919) % 60 for i in range(3000)]
    batches = list(TokenBudget(sizes, 1024, 1))
    padded = sum(max(sizes[i] for i in b) * len(b) for b in batches)
    assert sum(sizes) / padded > 0.9
