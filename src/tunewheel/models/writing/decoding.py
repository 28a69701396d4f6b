"""Writing token by token: one loop for answers in batches and for streams, whose rows do not touch each other."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Manner:
    """How tokens are chosen: see `tunewheel.tasks.generation.Generation`; writing stops at any of ``ends``."""

    most: int
    temperature: float
    top_p: float
    seed: int
    ends: frozenset[int]
    bf16: bool = False


def steps(model: Any, prompts: Sequence[Sequence[int]], pad: int, manner: Manner) -> Iterator[list[tuple[int, int]]]:
    """Yield, a step at a time, the rows still writing and the token each wrote: pairs of row and id, ends left out.

    Greedy answers, and drawn ones under their seed, are those that a prompt gets alone: shorter prompts are padded on
    the left, and positions count from a row's own first token.
    """
    reading = (_Pairs if model.config.is_encoder_decoder else _Causal)(model, prompts, pad)
    coins = [_coins(manner.seed, prompt) for prompt in prompts]
    open_rows = set(range(len(prompts)))
    for _ in range(manner.most):
        # Never around the yield: the caller's own work would run under it.
        with torch.inference_mode(), torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=manner.bf16):
            chosen = _chosen(reading.logits().float().cpu(), coins, manner)
            reading.feed(chosen.to(model.device))
        tokens = chosen.tolist()
        open_rows -= {row for row in open_rows if tokens[row] in manner.ends}
        yield [(row, tokens[row]) for row in sorted(open_rows)]
        if not open_rows:
            return


def _coins(seed: int, prompt: Sequence[int]) -> torch.Generator:
    """A source of chance of a prompt's own, so that its neighbours change nothing."""
    digest = hashlib.blake2b(repr((seed, list(prompt))).encode(), digest_size=7).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big"))


def _chosen(logits: Tensor, coins: Sequence[torch.Generator], manner: Manner) -> Tensor:
    """The next token of each row [rows], from logits [rows, vocabulary]."""
    if not manner.temperature:
        return logits.argmax(-1)
    shares, order = (logits / manner.temperature).softmax(-1).sort(-1, descending=True)
    # The likeliest always stays; a token goes when those before it make up top_p.
    shares = shares.masked_fill(shares.cumsum(-1) - shares >= manner.top_p, 0.0)
    drawn = torch.cat([torch.multinomial(row, 1, generator=coin) for row, coin in zip(shares, coins, strict=True)])
    return order.gather(-1, drawn[:, None])[:, 0]


class _Causal:
    """A causal model that has read some prompts."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], pad: int) -> None:
        longest = max(map(len, prompts))
        gaps = [longest - len(prompt) for prompt in prompts]
        filled = [[pad] * gap + list(prompt) for gap, prompt in zip(gaps, prompts, strict=True)]
        self.model, self.past = model, None
        self.ids = torch.tensor(filled, device=model.device)
        self.mask = (torch.arange(longest)[None] >= torch.tensor(gaps)[:, None]).long().to(model.device)
        self.known = inspect.signature(model.forward).parameters

    def logits(self) -> Tensor:
        """Of the next token [rows, vocabulary]."""
        positions = (self.mask.cumsum(-1) - 1).clamp(min=0)
        fed = self.ids if self.past is None else self.ids[:, -1:]
        options: dict[str, Any] = {"position_ids": positions[:, -fed.shape[1] :], "logits_to_keep": 1}
        options = {name: value for name, value in options.items() if name in self.known}
        out = self.model(input_ids=fed, attention_mask=self.mask, past_key_values=self.past, use_cache=True, **options)
        self.past = out.past_key_values
        last: Tensor = out.logits[:, -1]
        return last

    def feed(self, tokens: Tensor) -> None:
        """Append a token to each row."""
        self.ids = torch.cat([self.ids, tokens[:, None]], 1)
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], 1)


class _Pairs:
    """An encoder-decoder that has read some prompts."""

    def __init__(self, model: Any, prompts: Sequence[Sequence[int]], pad: int) -> None:
        longest = max(map(len, prompts))
        ids = torch.tensor([[*p, *[pad] * (longest - len(p))] for p in prompts], device=model.device)
        self.mask = torch.tensor([[1] * len(p) + [0] * (longest - len(p)) for p in prompts], device=model.device)
        self.model, self.past, self.read, self.ids = model, None, None, ids
        self.written = torch.full((len(prompts), 1), model.config.decoder_start_token_id, device=model.device)

    def logits(self) -> Tensor:
        """Of the next token [rows, vocabulary]."""
        if self.read is None:
            self.read = self.model.get_encoder()(input_ids=self.ids, attention_mask=self.mask)
        out = self.model(
            encoder_outputs=self.read,
            attention_mask=self.mask,
            decoder_input_ids=self.written if self.past is None else self.written[:, -1:],
            past_key_values=self.past,
            use_cache=True,
        )
        self.past = out.past_key_values
        last: Tensor = out.logits[:, -1]
        return last

    def feed(self, tokens: Tensor) -> None:
        """Append a token to each row."""
        self.written = torch.cat([self.written, tokens[:, None]], 1)
