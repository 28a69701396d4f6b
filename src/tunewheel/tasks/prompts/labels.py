"""Labels of a text, asked for in words: one, or any number of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tunewheel.tasks.base import Prediction, Row
from tunewheel.tasks.prompts.base import Lang, Prompt, Scored, as_json, listed_labels, read_json, without_thoughts

Read = Callable[[Sequence[Row], npt.NDArray[np.float64]], list[Prediction]]
"""Takes one logit a label [rows, labels], as a network's head would give them."""

_ONE = {
    "en": ("Read the text and decide which one of the labels below it has.", "Labels:"),
    "zh": ("阅读文本，判断它属于下列哪一个标签。", "标签："),
}
_SEVERAL = {
    "en": ("Read the text and decide which of the labels below it has; it may have none.", "Labels:"),
    "zh": ("阅读文本，判断它有下列哪些标签，也可能一个都没有。", "标签："),
}
_WRITE_ONE = {
    "en": 'Answer in JSON with the label exactly as written above: {"label": "…"}',
    "zh": '用 JSON 回答，标签写法与上面完全一致：{"label": "…"}',
}
_WRITE_SEVERAL = {
    "en": 'Answer in JSON with the labels exactly as written above: {"labels": ["…"]}',
    "zh": '用 JSON 回答，标签写法与上面完全一致：{"labels": ["…"]}',
}
_SCORE_ONE = {
    "en": "Answer with the label alone, exactly as written above.",
    "zh": "只回答标签本身，写法与上面完全一致。",
}
_SCORE_EACH = {
    "en": "Answer with a line for each label: the label, a colon, then yes or no.",
    "zh": "每个标签回答一行：标签、冒号，然后写“是”或“否”。",
}
_VERDICTS = {"en": (": yes", ": no"), "zh": ("：是", "：否")}
_AGAIN = {
    "en": "That names no label as it is written above. Answer once more, in JSON only.",
    "zh": "这不是上面列出的标签写法。请重新回答，只写 JSON。",
}
_MARKS = " \t\r\n\"'“”‘’「」`*.。!！:："


class OneLabel(Prompt):
    """One of ``labels``; a model that is scored chooses among the ``learned`` ones, whose logits go to ``read``.

    ``outside`` is the label of texts that have nothing to do with the others: it answers for what cannot be read.
    """

    def __init__(
        self,
        labels: Sequence[str],
        learned: Sequence[str],
        outside: str | None,
        read: Read,
        lang: Lang,
        told: str | None,
        descriptions: Mapping[str, str],
    ) -> None:
        self.labels, self.outside = tuple(labels), outside
        opening, heading = _ONE[lang]
        every = listed_labels(labels, descriptions, lang)
        known = listed_labels(learned, {name: descriptions[name] for name in learned if name in descriptions}, lang)
        self.instructions = "\n".join([told or opening, heading, every, _WRITE_ONE[lang]])
        self.again = _AGAIN[lang]
        choosing = "\n".join([told or opening, heading, known, _SCORE_ONE[lang]])
        self.scored = Scored(choosing, tuple(learned), lambda row: str(row["label"]), read)

    def example(self, row: Row) -> str:
        """The row's label."""
        return as_json({"label": row["label"]})

    def schema(self) -> dict[str, Any]:
        """An object with one of the labels."""
        return _object("label", {"type": "string", "enum": list(self.labels)})

    def parse(self, answer: str, row: Row) -> Prediction | None:
        """The label stated in JSON, or alone."""
        bare = without_thoughts(answer)
        found = read_json(bare)
        stated = found.get("label") if isinstance(found, dict) else bare
        label = named(stated, self.labels)
        return None if label is None else {"label": label}

    def default(self, rows: Sequence[Row]) -> Prediction:
        """The label out of scope, else the commonest one, else the first; sure of nothing."""
        commonest = Counter(row["label"] for row in rows).most_common(1)
        label = self.outside or (commonest[0][0] if commonest else self.labels[0])
        return {"label": label, "confidence": 0.0}


class SeveralLabels(Prompt):
    """Any number of ``labels``; a model that is scored says yes or no to each, and the logits go to ``read``."""

    def __init__(
        self, labels: Sequence[str], read: Read, lang: Lang, told: str | None, descriptions: Mapping[str, str]
    ) -> None:
        self.labels = tuple(labels)
        opening, heading = _SEVERAL[lang]
        yes, no = _VERDICTS[lang]
        frame = [told or opening, heading, listed_labels(labels, descriptions, lang)]
        self.instructions = "\n".join([*frame, _WRITE_SEVERAL[lang]])
        self.again = _AGAIN[lang]
        self.scored = Scored(
            "\n".join([*frame, _SCORE_EACH[lang]]),
            tuple(label + verdict for verdict in (yes, no) for label in labels),
            lambda row: "\n".join(label + (yes if label in row["labels"] else no) for label in self.labels),
            lambda rows, scores: read(rows, scores[:, : len(labels)] - scores[:, len(labels) :]),
        )

    def example(self, row: Row) -> str:
        """The row's labels, in the order in which they are told."""
        return as_json({"labels": [label for label in self.labels if label in row["labels"]]})

    def schema(self) -> dict[str, Any]:
        """An object with a list of labels."""
        return _object("labels", {"type": "array", "items": {"type": "string", "enum": list(self.labels)}})

    def parse(self, answer: str, row: Row) -> Prediction | None:
        """The labels stated in JSON; None where one of them is none of ours."""
        found = read_json(without_thoughts(answer))
        stated = found.get("labels") if isinstance(found, dict) else found
        if not isinstance(stated, list):
            return None
        labels = {named(one, self.labels) for one in stated}
        return None if None in labels else {"labels": [label for label in self.labels if label in labels]}

    def default(self, rows: Sequence[Row]) -> Prediction:
        """No label."""
        return {"labels": []}


def named(stated: Any, labels: Sequence[str]) -> str | None:
    """The label that is stated, however it is quoted and whatever its case; None where it is none, or could be two.

    A label somewhere inside a sentence does not count: "not lost" is not ``lost``.

    >>> named("“Lost”。", ["lost", "balance"]), named("not lost", ["lost", "balance"])
    ('lost', None)
    """
    if not isinstance(stated, str):
        return None
    if stated in labels:
        return stated
    bare = stated.strip(_MARKS).casefold()
    close = [label for label in labels if label.strip(_MARKS).casefold() == bare]
    return close[0] if len(close) == 1 else None


def _object(name: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {name: value}, "required": [name], "additionalProperties": False}
