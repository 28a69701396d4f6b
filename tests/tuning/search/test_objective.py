"""A trial's eyes: it reports its dev scores by the share of the run, and ends when there is no hope."""

import pytest

from tunewheel.tuning.search.objective import STEPS, Pruned, Watch


class Shown:
    def __init__(self):
        self.stopped = 0

    def start(self, total, done): ...

    def step(self, done, loss, tokens, seconds): ...

    def stop(self):
        self.stopped += 1


def scores(watch, total, at):
    watch.start(total, 0)
    for done in at:
        watch.step(done, None, 0, 0.0)
        watch.evaluated(0.0, {"f1": done / total})


@pytest.mark.parametrize(("total", "every"), [(2, 1), (20, 1), (100, 25)])
def test_runs_of_any_length_are_compared_at_the_same_parts(total, every):
    told = []
    watch = Watch("f1", lambda value, part: told.append((part, value)), None)
    scores(watch, total, range(every, total + 1, every))
    assert (STEPS // 2, 0.5) in told
    assert [part for part, _ in told] == sorted({part for part, _ in told}) and told[-1][0] < STEPS


def test_a_hopeless_run_ends_and_takes_its_display_away():
    shown = Shown()
    watch = Watch("f1", lambda value, part: value < 0.5, shown)
    with pytest.raises(Pruned):
        scores(watch, 8, range(1, 9))
    assert shown.stopped == 1
