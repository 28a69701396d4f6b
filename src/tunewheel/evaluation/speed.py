"""How fast models answer on one core: many texts at once, and one at a time."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tunewheel.models import Model
    from tunewheel.tasks import Row

TEXTS = 512
"""Texts that are answered at once, and again until a round is long enough."""

ALONE = 50
"""Texts that are answered one at a time, a round."""


class Speed(NamedTuple):
    """Medians over the rounds: texts a second, many being given at once, and milliseconds for a text given alone."""

    texts: float
    latency: float


def speeds(
    models: Mapping[str, Model], rows: Sequence[Row], *, rounds: int = 3, seconds: float = 1.0
) -> dict[str, Speed]:
    """Time the models in turn on one core in fp32; a round takes at least ``seconds`` for each.

    Whatever else runs on the machine slows all of them: read their ratios.
    """
    sample = list(rows[:TEXTS])
    told: dict[str, list[Speed]] = {name: [] for name in models}
    with one_core():
        for model in models.values():
            with _on_processor(model):
                model.predict(sample[:ALONE])
        for _ in range(rounds):
            for name, model in models.items():
                with _on_processor(model):
                    told[name].append(_round(model, sample, seconds))
    return {
        name: Speed(*(statistics.median(figure) for figure in zip(*each, strict=True))) for name, each in told.items()
    }


def _round(model: Model, sample: Sequence[Row], seconds: float) -> Speed:
    count, start = 0, perf_counter()
    while not count or perf_counter() - start < seconds:
        count += len(model.predict(sample))
    rate = count / (perf_counter() - start)
    alone = []
    for row in sample[:ALONE]:
        start = perf_counter()
        model.predict([row])
        alone.append(perf_counter() - start)
    return Speed(rate, 1000 * statistics.median(alone))


@contextmanager
def one_core() -> Iterator[None]:
    """Compute on one core within: one thread of torch, none of the tokenizers', bound to one processor if possible."""
    import torch

    threads, tokenizers = torch.get_num_threads(), os.environ.get("TOKENIZERS_PARALLELISM")
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    if allowed:
        os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        if allowed:
            os.sched_setaffinity(0, allowed)
        if tokenizers is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = tokenizers
        torch.set_num_threads(threads)


@contextmanager
def _on_processor(model: Model) -> Iterator[None]:
    """Have a network that stands on a GPU compute on the processor within."""
    from tunewheel.models.neural import Neural

    if not isinstance(model.body, Neural):
        yield
        return
    network = model.body.network
    before = network.device
    network.to("cpu")
    try:
        yield
    finally:
        network.to(before)
