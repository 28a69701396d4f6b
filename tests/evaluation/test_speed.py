"""Timing on one core leaves the machine as it found it."""

import os

import pytest
import torch

from tunewheel.evaluation.speed import one_core, speeds


class Answering:
    """A model that is no network and takes its time by the text."""

    body = None

    def __init__(self, factor):
        self.factor = factor
        self.asked = []

    def predict(self, rows):
        self.asked.append(len(rows))
        for _ in range(self.factor * len(rows)):
            sum(range(2000))
        return rows


def test_many_at_once_and_one_at_a_time():
    slow, fast = Answering(20), Answering(1)
    told = speeds({"slow": slow, "fast": fast}, [{"text": "a"}] * 600, rounds=1, seconds=0.0)
    assert told["fast"].texts > 3 * told["slow"].texts
    assert told["fast"].latency < told["slow"].latency
    assert max(fast.asked) == 512 and fast.asked.count(1) == 50


def test_one_core_and_back(monkeypatch):
    monkeypatch.delenv("TOKENIZERS_PARALLELISM", raising=False)
    torch.set_num_threads(2)
    before = os.sched_getaffinity(0)
    with pytest.raises(KeyboardInterrupt), one_core():
        assert torch.get_num_threads() == 1 and len(os.sched_getaffinity(0)) == 1
        assert os.environ["TOKENIZERS_PARALLELISM"] == "false"
        raise KeyboardInterrupt
    assert torch.get_num_threads() == 2 and os.sched_getaffinity(0) == before
    assert "TOKENIZERS_PARALLELISM" not in os.environ
    torch.set_num_threads(1)
