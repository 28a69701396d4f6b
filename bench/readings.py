"""Three ways to read documents for entities, each with a network that is never wrong: what is lost is lost in reading.

``run_ner`` reads as the tutorial script of transformers does: text is cut at ``length`` pieces, a word's first piece
carries its tag, the rest are ignored. ``pipeline`` reads as AutoTrain does: every piece carries its word's tag, and the
field's pipeline puts the pieces together (strategy ``simple``). ``ours`` is `Ner` with its windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tunewheel.tasks import Window

Row = Mapping[str, Any]
Span = tuple[int, int, str]


@dataclass(frozen=True)
class Kept:
    """What became of the gold entities: found as they are, not at all, in several pieces, or with other borders."""

    gold: int
    exact: int
    vanished: int
    doubled: int
    cut: int

    @classmethod
    def of(cls, rows: Sequence[Row], found: Sequence[Iterable[Span]]) -> Kept:
        """Count over all rows; an entity is doubled when two or more of its type lie in its place."""
        tally = {"exact": 0, "vanished": 0, "doubled": 0, "cut": 0}
        for row, spans in zip(rows, found, strict=True):
            listed = list(spans)
            for start, end, label in entities_of(row):
                touching = [s for s in listed if s[0] < end and s[1] > start and s[2] == label]
                alike = touching == [(start, end, label)]
                tally["exact" if alike else ("vanished", "cut")[len(touching)] if len(touching) < 2 else "doubled"] += 1
        return cls(sum(tally.values()), **tally)


def entities_of(row: Row) -> set[Span]:
    """The gold entities of a row."""
    return {(e["start"], e["end"], e["label"]) for e in row["entities"]}


def join(rows: Sequence[Row], joiner: str) -> dict[str, Any]:
    """One row of several, its words and entities moved along."""
    from tunewheel.tasks.words import words_of

    text, tokens, entities = "", [], []
    for row in rows:
        text += joiner if text else ""
        at = len(text)
        tokens += [{"start": at + start, "end": at + end} for start, end in words_of(row)]
        entities += [{**e, "start": at + e["start"], "end": at + e["end"]} for e in row["entities"]]
        text += row["text"]
    return {"text": text, "tokens": tokens, "entities": entities}


def joined_to(rows: Sequence[Row], pieces: int, tokenizer: Any, joiner: str) -> list[dict[str, Any]]:
    """Neighbouring rows joined until each document has ``pieces`` pieces; what is left makes the last."""
    groups: list[list[Row]] = [[]]
    size = 0
    for row in rows:
        if size >= pieces:
            groups.append([])
            size = 0
        groups[-1].append(row)
        size += len(tokenizer(row["text"], add_special_tokens=False, verbose=False)["input_ids"])
    return [join(group, joiner) for group in groups]


def tags_of(row: Row) -> list[str]:
    """The BIO tag of each of a row's tokens."""
    tags = ["O"] * len(row["tokens"])
    for start, end, label in entities_of(row):
        inside = [i for i, t in enumerate(row["tokens"]) if t["start"] < end and t["end"] > start]
        for place, i in enumerate(inside):
            tags[i] = ("I-" if place else "B-") + label
    return tags


def run_ner(rows: Sequence[Row], tokenizer: Any, length: int) -> list[list[Span]]:
    """Words in, cut at ``length`` pieces; argmax at the first piece of each word."""
    from tunewheel.data.tags import spans

    found = []
    for row in rows:
        tags = tags_of(row)
        names = sorted(set(tags))
        words = [row["text"][t["start"] : t["end"]] for t in row["tokens"]]
        encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=length)
        ids = encoded.word_ids()
        first = [w is not None and w != before for before, w in zip([None, *ids], ids, strict=False)]
        logits = np.array([one_hot(names.index(tags[w]) if w is not None else 0, len(names)) for w in ids])
        best = [names[i] for i in logits.argmax(axis=1)]
        kept = [(w, tag) for w, tag, labelled in zip(ids, best, first, strict=True) if labelled]
        found.append(
            [
                (row["tokens"][kept[a][0]]["start"], row["tokens"][kept[b - 1][0]]["end"], label)
                for a, b, label in spans([tag for _, tag in kept])
            ]
        )
    return found


def pipeline(rows: Sequence[Row], tokenizer: Any, length: int) -> list[list[Span]]:
    """Text in, through the field's pipeline at strategy ``simple``; every piece has its word's tag."""
    from transformers import TokenClassificationPipeline

    tags = [tags_of(row) for row in rows]
    names = ["O", *sorted({tag for line in tags for tag in line} - {"O"})]
    model = oracle(names)
    before, tokenizer.model_max_length = tokenizer.model_max_length, length
    pipe = TokenClassificationPipeline(model=model, tokenizer=tokenizer, aggregation_strategy="simple")
    found = []
    for row, line in zip(rows, tags, strict=True):
        model.outputs = np.array([one_hot(names.index(tag), len(names)) for tag in _piece_tags(row, line, tokenizer)])
        found.append([(e["start"], e["end"], e["entity_group"]) for e in pipe(row["text"])])
    tokenizer.model_max_length = before
    return found


def _piece_tags(row: Row, tags: Sequence[str], tokenizer: Any) -> Iterator[str]:
    """The tag of the word that each piece stands in."""
    of_character = {}
    for token, tag in zip(row["tokens"], tags, strict=True):
        of_character.update(dict.fromkeys(range(token["start"], token["end"]), tag))
    offsets = tokenizer(row["text"], truncation=True, return_offsets_mapping=True)["offset_mapping"]
    return (of_character.get(start, "O") if end > start else "O" for start, end in offsets)


def oracle(names: Sequence[str]) -> Any:
    """A token classifier of the field's own class that answers ``outputs`` [length, names] whatever it is asked."""
    import torch
    from transformers import BertConfig, BertForTokenClassification

    small = {
        "vocab_size": 8,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
    }
    model = BertForTokenClassification(BertConfig(**small, id2label=dict(enumerate(names)))).eval()
    model.forward = lambda input_ids, **_: (torch.tensor(model.outputs[None, : input_ids.shape[1]]),)
    return model


def ours(rows: Sequence[Row], tokenizer: Any, length: int) -> list[list[Span]]:
    """Windows of ``length`` pieces that overlap, put together again by the task."""
    from tunewheel.models.encoding import TextEncoder
    from tunewheel.tasks import IGNORED
    from tunewheel.tasks.ner import Ner

    task = Ner(sorted({label for row in rows for _, _, label in entities_of(row)}))
    encoder = TextEncoder(tokenizer, window=length, shapes=False)
    windows = task.encode(rows, encoder, labelled=True)
    width = task.head().outputs
    outputs = [
        np.array([one_hot(0 if place == IGNORED else place, width) for place in places_of(window)])
        for window in windows
    ]
    predictions = task.decode(rows, encoder, windows, outputs)
    return [[(e["start"], e["end"], e["label"]) for e in prediction["entities"]] for prediction in predictions]


def places_of(window: Window) -> list[int]:
    """The place of each piece's label, as a window of entities has them."""
    assert isinstance(window.labels, list)
    return [int(place) for place in window.labels]


def one_hot(place: int, width: int) -> np.ndarray[Any, Any]:
    """Logits of a network that is sure."""
    return np.where(np.arange(width) == place, 20.0, 0.0).astype(np.float32)


READINGS = {"run_ner": run_ner, "pipeline": pipeline, "ours": ours}
