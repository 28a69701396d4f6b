"""Named entity recognition: labelled character spans in a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from tunewheel.data.tags import spans as tag_spans
from tunewheel.tasks.base import (
    IGNORED,
    Encoder,
    Head,
    Part,
    Pieces,
    Prediction,
    Row,
    Scores,
    Task,
    TaskError,
    Window,
    f1,
    ratio,
    split_windows,
)
from tunewheel.tasks.calibration import UNCALIBRATED, Claims, fit_platt, platt
from tunewheel.tasks.spans import bio, contradicted, entity_set, listed, span_of
from tunewheel.tasks.words import first_pieces, piece_targets, told_apart, word_of_pieces, word_readings, words_of

if TYPE_CHECKING:
    from tunewheel.tasks.prompts import Lang, Prompt

STRIDE = 48
"""Pieces that neighbouring windows of a long text share: each is read with at least half of it on both sides."""


class Ner(Task):
    """Entities as character spans, learned and predicted as BIO labels of words through the pieces' offsets.

    Every piece of a word is labelled, so that a text whose words nobody has marked is read as well as one whose words
    are given; a word's label is that of its first piece. With ``context`` > 0 neighbouring rows of one ``document``
    share a window of up to that many pieces; rows without a document stand alone. ``platt`` is the curve (slope and
    shift on the logit) through which confidences go; it is fitted on dev.

    >>> task = Ner(types=("PER",))
    >>> gold = [{"text": "Ann ran", "entities": [{"start": 0, "end": 3, "label": "PER"}]}]
    >>> task.metrics(task.score(gold, [{"entities": []}]))["f1"]
    0.0
    """

    name: ClassVar[str] = "ner"
    columns: ClassVar[tuple[str, ...]] = ("text", "entities")
    headline: ClassVar[tuple[str, ...]] = ("f1", "precision", "recall")
    selection: ClassVar[str] = "f1"
    answers: ClassVar[str] = "entities as character spans"
    pipeline: ClassVar[str | None] = "token-classification"
    calibrated_by: ClassVar[tuple[str, ...]] = ("platt",)

    def __init__(
        self, types: Sequence[str], *, crf: bool = False, context: int = 0, platt: Sequence[float] | None = None
    ) -> None:
        if not types or len(set(types)) != len(types):
            raise TaskError(f"entity types must be distinct and not empty, got {list(types)!r}")
        self.labels = tuple(types)
        self.crf = crf
        self.context = context
        self.platt = (float(platt[0]), float(platt[1])) if platt is not None else None
        self._index = {label: i for i, label in enumerate(self.labels)}

    @classmethod
    def from_dataset(
        cls, dataset: Any, *, split: str = "train", crf: bool = False, context: int = 0, **_options: Any
    ) -> Self:
        """Learn the entity types from a split."""
        types = {entity["label"] for entities in dataset[split]["entities"] for entity in entities}
        if not types:
            raise TaskError(f"no row of the {split} split holds an entity; is `entities` the right column?")
        return cls(sorted(types), crf=crf, context=context)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the task again from `config`."""
        return cls(**config)

    def config(self) -> dict[str, Any]:
        """Entity types, whether a CRF decides, the context, and the curve of confidences."""
        curve = list(self.platt) if self.platt else None
        return {"types": list(self.labels), "crf": self.crf, "context": self.context, "platt": curve}

    @property
    def outputs(self) -> tuple[str, ...]:
        """``O``, then B and I of each type."""
        return ("O", *(f"{tag}-{label}" for label in self.labels for tag in "BI"))

    def head(self) -> Head:
        """One output a piece for ``O`` and for B and I of each type."""
        return Head("token", 1 + 2 * len(self.labels), "crf" if self.crf else "cross_entropy")

    def encode(self, rows: Sequence[Row], encoder: Encoder, *, labelled: bool = False) -> list[Window]:
        """Cut rows into windows; a long row's windows share `STRIDE` pieces, short neighbours may share one window."""
        encoded = encoder([row["text"] for row in rows])
        labels = [self._piece_labels(r, p) for r, p in zip(rows, encoded, strict=True)] if labelled else None
        windows: list[Window] = []
        for group in self._groups(rows, encoded, encoder):
            if len(group) == 1:
                row = group[0]
                cuts = split_windows(len(encoded[row].ids), encoder.room, STRIDE)
                windows += [_window(encoded, labels, [(row, start, stop)], []) for start, stop in cuts]
            else:
                ranges = [(row, 0, len(encoded[row].ids)) for row in group]
                windows.append(_window(encoded, labels, ranges, encoder.separator))
        return windows

    def joins(self, row: Row, following: Row) -> bool:
        """Whether both rows are of one document, and the task reads context."""
        document = row.get("document")
        return self.context > 0 and document is not None and following.get("document") == document

    def _groups(self, rows: Sequence[Row], encoded: Sequence[Pieces], encoder: Encoder) -> list[list[int]]:
        """Indices of rows that share a window: neighbours of one document, as many as the context holds."""
        room = min(encoder.room, self.context)
        groups: list[list[int]] = []
        used = 0
        for index, row in enumerate(rows):
            size = len(encoded[index].ids) + len(encoder.separator)
            if groups and used + size <= room and self.joins(rows[groups[-1][-1]], row):
                groups[-1].append(index)
                used += size
            else:
                groups.append([index])
                used = len(encoded[index].ids)
        return groups

    def _piece_labels(self, row: Row, pieces: Pieces) -> list[int]:
        """BIO label of every piece: 0 is O, 1 + 2·type is B, 2 + 2·type is I; `IGNORED` outside words."""
        words = told_apart(words_of(row), pieces)
        of_word = [0] * len(words)
        # Longest first: of overlapping spans BIO can hold one only.
        for start, end, label in sorted(entity_set(row), key=lambda e: (e[0] - e[1], e)):
            inside = [w for w, (a, b) in enumerate(words) if a < end and b > start]
            if inside and not any(of_word[w] for w in inside):
                code = 1 + 2 * self._index[label]
                for w in inside:
                    of_word[w] = code + 1
                of_word[inside[0]] = code
        labels, previous = [], -1
        for word in word_of_pieces(words, pieces):
            code = IGNORED if word < 0 else of_word[word]
            if word == previous and code > 0 and code % 2:
                code += 1  # B stands on the word's first piece only
            labels.append(code)
            previous = word
        return labels

    def decode(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> list[Prediction]:
        """Take each piece from the window that shows most of its surroundings, then read the words' BIO labels."""
        encoded, best = self._assembled(rows, encoder, windows, outputs)
        return [
            {"entities": self._entities(row, pieces, logits)}
            for row, pieces, logits in zip(rows, encoded, best, strict=True)
        ]

    def readings(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> list[npt.NDArray[Any]]:
        """BIO log-probabilities of each row's words (`words_of`), whatever the tokenizer: [words, outputs] a row."""
        encoded, best = self._assembled(rows, encoder, windows, outputs)
        return [word_readings(words_of(r), p, x) for r, p, x in zip(rows, encoded, best, strict=True)]

    def soft_targets(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        readings: Sequence[npt.NDArray[Any]],
    ) -> list[npt.NDArray[Any]]:
        """Each piece shall say what was read of the word it stands in, as `encode` has it for labels."""
        encoded = encoder([row["text"] for row in rows])
        by_row = [piece_targets(words_of(r), p, x) for r, p, x in zip(rows, encoded, readings, strict=True)]
        targets = []
        for window in windows:
            target = np.full((len(window.ids), self.head().outputs), np.nan, dtype=np.float16)
            for part in window.parts:
                target[part.at : part.at + part.stop - part.start] = by_row[part.row][part.start : part.stop]
            targets.append(target)
        return targets

    def _assembled(
        self,
        rows: Sequence[Row],
        encoder: Encoder,
        windows: Sequence[Window],
        outputs: Sequence[npt.NDArray[Any]],
    ) -> tuple[list[Pieces], list[npt.NDArray[Any]]]:
        """Each row's pieces and what the window that shows most of their surroundings said of them."""
        encoded = encoder([row["text"] for row in rows])
        best = [np.zeros((len(p.ids), 1 + 2 * len(self.labels))) for p in encoded]
        margin = [np.full(len(p.ids), -1.0) for p in encoded]
        for window, logits in zip(windows, outputs, strict=True):
            for part in window.parts:
                length = part.stop - part.start
                place = np.arange(length)
                seen = np.minimum(place, length - 1 - place).astype(float)
                better = seen > margin[part.row][part.start : part.stop]
                target = np.flatnonzero(better) + part.start
                best[part.row][target] = logits[part.at : part.at + length][better]
                margin[part.row][target] = seen[better]
        return encoded, best

    def _entities(self, row: Row, pieces: Pieces, logits: npt.NDArray[Any]) -> list[dict[str, Any]]:
        words = told_apart(words_of(row), pieces)
        first = first_pieces(words, pieces)
        known = sorted(first)
        if not known:
            return []
        x = logits[[first[w] for w in known]]
        p = np.exp(x - x.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        codes = p.argmax(axis=1)
        if not codes.any():
            return []
        tags = ["O" if c == 0 else ("I-" if c % 2 == 0 else "B-") + self.labels[(c - 1) // 2] for c in codes.tolist()]
        found = []
        for start, stop, label in tag_spans(tags):
            code = 1 + 2 * self._index[label]
            # As sure as of its weakest word: one wrong word makes the whole span wrong.
            confidence = float(platt(p[start:stop, code : code + 2].sum(axis=1).min(), self.platt))
            begin, end = words[known[start]][0], words[known[stop - 1]][1]
            found.append({"start": begin, "end": end, "label": label, "confidence": confidence})
        return found

    def prompt(self, lang: Lang, told: str | None = None, descriptions: Mapping[str, str] | None = None) -> Prompt:
        """Entities as their texts, in JSON; their places are looked up in the row."""
        from tunewheel.tasks.prompts.entities import Entities

        return Entities(self.labels, lang, told, descriptions or {})

    def score(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Scores:
        """Gold, found and correct entities a type, and tokens right, of each row.

        Spans count as conlleval counts chunks: right only when both borders and the type are. Where both sides carry
        raw ``tags`` these are compared token by token, else the BIO tags that the spans give the row's words.
        Entities of a type the model never learned are counted too, in the last column.
        """
        index = {label: i for i, label in enumerate(self.labels)}
        n = len(self.labels)
        counts = {key: np.zeros((len(rows), n + 1), dtype=np.int64) for key in ("gold", "found", "correct")}
        tokens = np.zeros((2, len(rows)), dtype=np.int64)
        for i, (row, prediction) in enumerate(zip(rows, predictions, strict=True)):
            gold, found = entity_set(row), entity_set(prediction)
            for key, entities in (("gold", gold), ("found", found), ("correct", gold & found)):
                for entity in entities:
                    counts[key][i, index.get(entity[2], n)] += 1
            ours, theirs = row.get("tags"), prediction.get("tags")
            if ours is None or theirs is None:
                ours, theirs = bio(row, gold), bio(row, found)
            tokens[0, i] = len(ours)
            tokens[1, i] = sum(a == b for a, b in zip(ours, theirs, strict=True))
        return {**counts, "tokens": tokens[0], "tokens_correct": tokens[1]}

    def mistake(self, row: Row, prediction: Prediction) -> tuple[Any, Any, float | None] | None:
        """Gold and found entities, in order; a missed one has no confidence, so only those wrongly found rank."""
        gold, found = entity_set(row), entity_set(prediction)
        if gold == found:
            return None
        sure = [e["confidence"] for e in prediction["entities"] if span_of(e) not in gold and "confidence" in e]
        return listed(gold), listed(found), max(sure, default=None)

    def agrees(self, row: Row, other: Row) -> bool:
        """Whether what is an entity in one text is the same entity wherever the other text says the same words."""
        return not (contradicted(row, other) or contradicted(other, row))

    def metrics(self, scores: Scores, weights: npt.NDArray[Any] | None = None) -> dict[str, float]:
        """Entity precision, recall and F1 (micro, as conlleval), macro F1 over types, and token accuracy."""
        w = np.ones(len(scores["tokens"])) if weights is None else np.asarray(weights, dtype=np.float64)
        # einsum, not @: OpenBLAS's threads made a product this small 30 times slower on a busy machine.
        gold, found, correct = (np.einsum("n,nt->t", w, scores[key]) for key in ("gold", "found", "correct"))
        precision, recall = ratio(correct.sum(), found.sum()), ratio(correct.sum(), gold.sum())
        per_type = f1(ratio(correct, found), ratio(correct, gold))
        present = (gold + found) > 0
        return {
            "f1": float(f1(precision, recall)),
            "precision": float(precision),
            "recall": float(recall),
            "macro_f1": float(per_type[present].mean()) if present.any() else 0.0,
            "token_accuracy": float(ratio(w @ scores["tokens_correct"], w @ scores["tokens"])),
        }

    def counted(self, metric: str, scores: Scores) -> npt.NDArray[Any]:
        """Rows with entities of the kind that ``metric`` counts."""
        keys = {"precision": ("found",), "recall": ("gold",), "f1": ("gold", "found"), "macro_f1": ("gold", "found")}
        if metric not in keys:
            return super().counted(metric, scores)
        return np.asarray(np.logical_or.reduce([scores[key].any(axis=1) for key in keys[metric]]))

    def claims(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Claims | None:
        """Every entity found, right when both borders and the type are."""
        found = [
            (i, entity["confidence"], (entity["start"], entity["end"], entity["label"]) in gold)
            for i, (gold, prediction) in enumerate(zip(map(entity_set, rows), predictions, strict=True))
            for entity in prediction["entities"]
            if "confidence" in entity
        ]
        if not found:
            return None
        row, confidence, correct = zip(*found, strict=True)
        return Claims(np.array(row), np.array(confidence, dtype=np.float64), np.array(correct, dtype=bool))

    def fit(self, rows: Sequence[Row], predictions: Sequence[Prediction]) -> Self:
        """Fit the curve of confidences on the entities found in dev (Platt 1999)."""
        claims = self.claims(rows, predictions)
        curve = fit_platt(claims.confidence, claims.correct) if claims else None
        if curve and self.platt:  # these confidences went through the old curve already
            curve = (curve[0] * self.platt[0], curve[0] * self.platt[1] + curve[1])
        return type(self)(**{**self.config(), "platt": curve or self.platt})

    def facts(self) -> dict[str, str]:
        """How confidences were calibrated."""
        if self.platt is None:
            return {"calibration": UNCALIBRATED}
        return {"calibration": f"Platt scaling, slope {self.platt[0]:.3f}, shift {self.platt[1]:+.3f}, fitted on dev"}

    def table(self, scores: Scores) -> list[dict[str, Any]]:
        """Precision, recall, F1, support and found count of every entity type."""
        gold, found, correct = (scores[key].sum(axis=0) for key in ("gold", "found", "correct"))
        precision, recall = ratio(correct, found), ratio(correct, gold)
        per_type = f1(precision, recall)
        unknown = [] if gold[-1] + found[-1] == 0 else ["(never learned)"]
        return [
            {
                "label": label,
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(per_type[i]),
                "support": int(gold[i]),
                "predicted": int(found[i]),
            }
            for i, label in enumerate([*self.labels, *unknown])
        ]


def _window(
    encoded: Sequence[Pieces],
    labels: Sequence[Sequence[int]] | None,
    ranges: Sequence[tuple[int, int, int]],
    separator: list[int],
) -> Window:
    window = Window([], [], (), None if labels is None else [])
    for row, start, stop in ranges:
        if window.ids:
            _extend(window, separator, [0] * len(separator), [IGNORED] * len(separator))
        window.parts = (*window.parts, Part(row, start, stop, len(window.ids)))
        pieces = encoded[row]
        _extend(window, pieces.ids[start:stop], pieces.shapes[start:stop], labels[row][start:stop] if labels else [])
    return window


def _extend(window: Window, ids: list[int], shapes: list[int], labels: Sequence[int]) -> None:
    window.ids += ids
    window.shapes += shapes
    if isinstance(window.labels, list):
        window.labels.extend(labels)
