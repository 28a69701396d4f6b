"""Text as token numbers on the disk, made once: training reads it where it lies, in any order, at constant memory."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.store.files import sync, write_whole

HELD_OUT = 200
"""One paragraph in so many is held out, chosen by its hash, so that the same one is held out in every run."""

_CHUNK = 2000
_MARK = "shards.json"

Tokens = npt.NDArray[np.uint16]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Shards:
    """Tokens of the two splits, and for each whether a word begins with it; both are read from the disk."""

    train: Tokens
    train_begins: Flags
    held: Tokens
    held_begins: Flags
    counts: dict[str, int]

    def sequences(self, length: int) -> int:
        """How many training sequences of ``length`` tokens there are, one left for the shift of `rows`."""
        return max(0, len(self.train) // length - 1)

    def rows(self, places: npt.NDArray[np.int64], length: int, shift: int) -> tuple[Tokens, Flags]:
        """Training sequences [places, length] and the beginnings of their words, cut ``shift`` tokens further on."""
        at = places[:, None] * length + shift + np.arange(length)
        return self.train[at], self.train_begins[at]

    def held_rows(self, length: int, most: int) -> tuple[Tokens, Flags]:
        """At most ``most`` held-out sequences, always the same."""
        count = min(most, len(self.held) // length)
        shape = (count, length)
        return self.held[: count * length].reshape(shape), self.held_begins[: count * length].reshape(shape)


def write_shards(texts: Iterable[str], tokenizer: Any, folder: Path) -> None:
    """Tokenize ``texts`` into ``folder``; a separator ends every paragraph. Whole or not at all."""
    if len(tokenizer) > 1 << 16:
        raise ValueError(f"a vocabulary of {len(tokenizer):,}: token numbers are stored in 16 bits, at most 65,536 fit")
    folder.mkdir(parents=True, exist_ok=True)
    counts = {"train": 0, "held": 0, "unknown": 0, "paragraphs": 0}
    streams = {
        (split, kind): (folder / f"{split}.{kind}").open("wb")
        for split in ("train", "held")
        for kind in ("ids", "begins")
    }
    try:
        for text, ids, begins in _tokenized(texts, tokenizer):
            split = "held" if is_held_out(text) else "train"
            streams[split, "ids"].write(ids.tobytes())
            streams[split, "begins"].write(begins.tobytes())
            counts[split] += len(ids)
            counts["unknown"] += int((ids == tokenizer.unk_token_id).sum()) if tokenizer.unk_token_id is not None else 0
            counts["paragraphs"] += 1
    finally:
        for stream in streams.values():
            stream.close()
    for split, kind in streams:
        sync(folder / f"{split}.{kind}")
    write_whole(folder / _MARK, json.dumps(counts))


def read_shards(folder: Path) -> Shards | None:
    """The shards in ``folder``; None where they were not finished."""
    if not (folder / _MARK).is_file():
        return None
    counts = json.loads((folder / _MARK).read_text(encoding="utf-8"))

    def column(name: str, kind: Any) -> Any:
        path = folder / name
        return np.memmap(path, kind, "r") if path.stat().st_size else np.zeros(0, kind)

    return Shards(
        train=column("train.ids", np.uint16),
        train_begins=column("train.begins", np.bool_),
        held=column("held.ids", np.uint16),
        held_begins=column("held.begins", np.bool_),
        counts=counts,
    )


def is_held_out(text: str) -> bool:
    """Whether a paragraph is measured on and never learned from."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest()) % HELD_OUT == 0


def _tokenized(texts: Iterable[str], tokenizer: Any) -> Iterator[tuple[str, Tokens, Flags]]:
    end = tokenizer.sep_token_id if tokenizer.sep_token_id is not None else tokenizer.eos_token_id
    source, backend = iter(texts), tokenizer.backend_tokenizer
    # MiniLM's brings both, for sentences: padding would be learned, and what is longer lost.
    backend.no_padding()
    backend.no_truncation()
    while chunk := list(islice(source, _CHUNK)):
        encodings = backend.encode_batch(chunk, add_special_tokens=False)
        for text, encoding in zip(chunk, encodings, strict=True):
            ids = np.array([*encoding.ids, end], np.uint16)
            starts = np.array([offset[0] for offset in encoding.offsets], np.int64)
            begins = np.append(word_starts(text)[starts] if len(starts) else np.zeros(0, bool), True)
            yield text, ids, begins


def word_starts(text: str) -> Flags:
    """For each character of ``text`` whether a word begins there; Chinese by jieba's dictionary and HMM.

    >>> word_starts("我爱自然语言").astype(int).tolist()
    [1, 1, 1, 0, 0, 0]
    """
    import rjieba

    starts = np.zeros(len(text) + 1, np.bool_)
    lengths = np.fromiter((len(word) for word in rjieba.cut(text)), np.int64)
    starts[np.concatenate([[0], np.cumsum(lengths)])] = True
    return starts[:-1]
