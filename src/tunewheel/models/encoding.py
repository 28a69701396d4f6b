"""Texts to pieces, windows to tensors."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from tunewheel.tasks import IGNORED, Pieces, Window

if TYPE_CHECKING:
    import numpy.typing as npt

SHAPES = 256
"""Rows of the word-shape embedding: row 0 is 'no shape', the others are hashed patterns."""

_CHUNK = re.compile(r"[^\s\u3400-\u9fff]+")
_RUN = re.compile(r"(.)\1+")
_INNER = re.compile(r"\w(?:.*\w)?", re.DOTALL)


@lru_cache(maxsize=1 << 16)
def word_shape(word: str) -> int:
    """Hash a word's pattern of cases, digits and signs, runs cut to two: ``U.S`` → ``X.X``, ``McCain`` → ``XxXxx``.

    >>> word_shape("Berlin") == word_shape("Paris") != word_shape("paris")
    True
    """
    kinds = ("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word)
    pattern = _RUN.sub(r"\1\1", "".join(kinds))[:12]
    return zlib.crc32(pattern.encode()) % (SHAPES - 1) + 1


def shapes_of(text: str, offsets: Sequence[tuple[int, int]]) -> list[int]:
    """Shape of the word each piece stands in; outer punctuation is no part of a word, Chinese has no shape."""
    spans = []
    for chunk in _CHUNK.finditer(text):
        inner = _INNER.search(chunk.group())
        if inner:
            start = chunk.start() + inner.start()
            spans.append((start, start + len(inner.group()), word_shape(inner.group())))
    shapes, at = [], 0
    for start, end in offsets:
        while at < len(spans) and spans[at][1] <= start:
            at += 1
        inside = at < len(spans) and spans[at][0] < end
        shapes.append(spans[at][2] if inside else 0)
    return shapes


class TextEncoder:
    """A fast tokenizer seen as `tunewheel.tasks.Encoder`: pieces with character offsets, and room for a window.

    ``window`` is the most pieces, special tokens included, that the network reads at once.
    """

    def __init__(self, tokenizer: Any, *, window: int, shapes: bool) -> None:
        if not tokenizer.is_fast:
            raise ValueError(f"{type(tokenizer).__name__} is a slow tokenizer and gives no offsets; use its fast kind")
        self.tokenizer = tokenizer
        self.window = window
        self.shapes = shapes
        self.prefix, self.suffix = _special_ids(tokenizer)
        self.pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0

    @property
    def room(self) -> int:
        """Pieces a window holds beside the special tokens."""
        return self.window - len(self.prefix) - len(self.suffix)

    @property
    def separator(self) -> list[int]:
        """The token that ends a text also parts two."""
        return self.suffix[:1]

    def __call__(self, texts: Sequence[str]) -> list[Pieces]:
        """Cut every text into pieces, the whole of it."""
        if not texts:
            return []
        encoded = self.tokenizer(
            list(texts),
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        none: list[int] = []
        return [
            Pieces(ids, offsets, shapes_of(text, offsets) if self.shapes else none)
            for text, ids, offsets in zip(texts, encoded["input_ids"], encoded["offset_mapping"], strict=True)
        ]

    def size(self, window: Window) -> int:
        """Tokens of a window, special tokens included, and of the text that is read beside it."""
        beside = self.size(window.other) if window.other is not None else 0
        return len(self.prefix) + len(window.ids) + len(self.suffix) + beside

    def collate(self, windows: Sequence[Window]) -> dict[str, Any]:
        """Pad windows to the longest: ``input_ids``, ``attention_mask``, ``shape_ids``, ``labels`` [batch, length].

        Labels of one number a text become [batch] or [batch, labels]. Texts that are read beside others follow all of
        these, in their order and with any labels they have; ``inside`` tells every window's own pieces from the rest.
        ``soft`` targets are [batch, outputs] or [batch, length, outputs], NaN outside.
        """
        import torch

        beside = [w.other for w in windows if w.other is not None]
        targets: list[Any] = [w.labels for w in windows] + [w.labels for w in beside if w.labels is not None]
        windows = [replace(w, other=None) for w in windows] + beside if beside else windows
        width = max(self.size(window) for window in windows)
        head = len(self.prefix)

        def padded(values: list[list[int]], outside: int) -> Any:
            full = [[outside] * head + v + [outside] * (width - head - len(v)) for v in values]
            return torch.tensor(full)

        ids = [self.prefix + w.ids + self.suffix for w in windows]
        batch = {
            "input_ids": torch.tensor([i + [self.pad] * (width - len(i)) for i in ids]),
            "attention_mask": torch.tensor([[1] * len(i) + [0] * (width - len(i)) for i in ids]),
        }
        if self.shapes:
            batch["shape_ids"] = padded([w.shapes for w in windows], 0)
        if beside:
            batch["inside"] = padded([[1] * len(w.ids) for w in windows], 0)
        if targets[0] is not None:
            by_token = (
                not beside and isinstance(targets[0], list) and (not targets[0] or isinstance(targets[0][0], int))
            )
            batch["labels"] = padded(targets, IGNORED) if by_token else torch.tensor(targets)
        soft = [w.soft for w in windows if w.soft is not None]
        if soft:
            batch["soft"] = _side_by_side(soft, width, head)
        return batch


def _side_by_side(soft: Sequence[npt.NDArray[Any]], width: int, head: int) -> Any:
    """Soft targets as one tensor, those by piece with ``head`` places before them and NaN wherever no piece is."""
    import numpy as np
    import torch

    if soft[0].ndim == 1:
        return torch.from_numpy(np.stack(soft).astype(np.float32))
    full = np.full((len(soft), width, soft[0].shape[1]), np.nan, dtype=np.float32)
    for place, target in zip(full, soft, strict=True):
        place[head : head + len(target)] = target
    return torch.from_numpy(full)


def lower_cases(tokenizer: Any) -> bool:
    """Whether the tokenizer throws letter case away."""
    return bool(tokenizer("Aa Bb")["input_ids"] == tokenizer("aa bb")["input_ids"])


def _special_ids(tokenizer: Any) -> tuple[list[int], list[int]]:
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    full = tokenizer("a")["input_ids"]
    for at in range(len(full) - len(bare) + 1):
        if full[at : at + len(bare)] == bare:
            return full[:at], full[at + len(bare) :]
    return [], []
