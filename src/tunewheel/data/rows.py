"""Records as files have them, shaped into canonical rows; what is wrong is said with row and column."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tunewheel.data.annotations import Ends, Mention, entities_of, mention
from tunewheel.data.classes import Classes
from tunewheel.data.columns import from_cell, is_missing
from tunewheel.data.infer import TARGETS, Schema
from tunewheel.data.pairs import join_pair
from tunewheel.data.problems import Problem, Problems, listed, nearest, show
from tunewheel.data.readers.base import Record
from tunewheel.data.readers.tokens import join
from tunewheel.data.tags import TagError, spans
from tunewheel.data.times import Clock

Spans = list[dict[str, Any]]


class Row(NamedTuple):
    """A canonical row before its id is known; of ``label``, ``labels``, ``entities``, ``answer`` one is set."""

    text: str
    label: str | None
    labels: list[str] | None
    entities: Spans | None
    tokens: Spans | None
    document: str | None
    own_id: str | None
    group: str | None
    extra: dict[str, Any]
    time: float | None = None
    answer: str | None = None

    @property
    def names(self) -> list[str]:
        """The labels or entity types of the row, repeated ones once."""
        if self.label is not None:
            return [self.label]
        return list(dict.fromkeys(self.labels or [entity["label"] for entity in self.entities or ()]))


class BadRow(Exception):
    """A row cannot be used; its problem has been recorded."""


class Shaper:
    """Shapes the records of one file. An unlabelled file (``labelled=False``) gives rows without labels.

    ``ends`` says how the file counts the ends of entities, ``classes`` what its label numbers stand for.
    """

    def __init__(
        self,
        schema: Schema,
        problems: Problems,
        file: str,
        *,
        labelled: bool = True,
        joiner: str = " ",
        ends: Ends = "exclusive",
        classes: Classes | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.schema, self.problems, self.file, self.clock = schema, problems, file, clock
        self.labelled, self.joiner, self.ends, self.classes = labelled, joiner, ends, classes
        self.entities = self.cut = 0
        # These names stand for something in a canonical row; a column that has one by chance is renamed.
        targets = TARGETS if schema.target is None else (schema.target,)
        reserved = ["id", "text", *targets, *(("tokens", "document") if schema.marks_spans else ())]
        self.renamed = {name: f"original_{name}" for name in reserved}
        # Both texts of a pair are kept beside the text they make.
        used = (None if schema.pair else schema.text, schema.label, schema.tokens, schema.id, schema.document)
        self.used = {name for name in used if name}

    def __call__(self, record: Record) -> Row | None:
        """Shape one record; None if it is bad (its problem is then recorded)."""
        try:
            text, tokens, offsets = self._text(record)
            label = labels = entities = None
            if self.labelled:
                value = self._value(record, self.schema.label, "a label")
                if self.schema.shape == "label":
                    label = self._label(record, value)
                elif self.schema.shape == "labels":
                    labels = self._labels(record, value)
                elif tokens is not None:
                    entities = self._tagged(record, value, tokens, offsets)
                else:
                    entities = self._entities(record, value, text)
            time = self._time(record) if self.clock else None
        except BadRow:
            return None
        values = record.values
        return Row(
            text=text,
            label=label,
            labels=labels,
            entities=entities,
            tokens=[{"start": start, "end": end} for start, end in offsets] if offsets else None,
            document=self._name(values, self.schema.document),
            own_id=self._name(values, self.schema.id),
            group=self._name(values, self.schema.group),
            extra={
                self.renamed.get(name, name): value
                for name, value in values.items()
                if name not in self.used and not (value is None or value == "" or (offsets and name == "tokens"))
            },
            time=time,
        )

    @property
    def notes(self) -> list[str]:
        """What looks wrong without being an error."""
        if self.cut < 3 or 2 * self.cut < self.entities:
            return []
        return [f"{self.file}: {self.cut} of {self.entities} entities end inside a word: are the ends inclusive? Add 1"]

    def _bad(self, record: Record, column: str, expected: str, found: str, fix: str) -> BadRow:
        self.problems.add(Problem(self.file, record.row, column, expected, found, fix), record.values)
        return BadRow()

    def _value(self, record: Record, column: str, expected: str) -> Any:
        if column not in record.values:
            close = nearest(column, record.values)
            fix = f"did you mean '{column}' where it says '{close}'?" if close else f"add the column '{column}'"
            found = f"no such column (the row has {listed(record.values) or 'none'})"
            raise self._bad(record, column, expected, found, fix)
        value = record.values[column]
        if is_missing(value):
            raise self._bad(record, column, expected, show(value), "fill it in or remove the row")
        return value

    def _time(self, record: Record) -> float:
        assert self.clock is not None
        value = self._value(record, self.clock.column, "a date")
        seconds = self.clock(value)
        if seconds is None:
            expected = f"a date, as the file has {self.clock.form}"
            raise self._bad(
                record, self.clock.column, expected, show(value), "write the date as the other rows have it"
            )
        return seconds

    @staticmethod
    def _name(values: Mapping[str, Any], column: str | None) -> str | None:
        return name_of(values.get(column)) if column is not None else None

    def _text(self, record: Record) -> tuple[str, list[str] | None, list[tuple[int, int]]]:
        """Return the text, the tokens it was annotated by (None if by characters) and their offsets."""
        column, tokens_column = self.schema.text, self.schema.tokens
        if tokens_column is None:
            assert column is not None
            text = self._string(record, column, self._value(record, column, "a text"), "a text")
            if self.schema.pair is not None:
                second = self._value(record, self.schema.pair, "a text")
                text = join_pair(text, self._string(record, self.schema.pair, second, "a text"))
            return text, None, _offsets(record.values.get("tokens")) if self.schema.marks_spans else []
        tokens = from_cell(self._value(record, tokens_column, "a list of tokens"))
        if not isinstance(tokens, list) or not tokens or not all(isinstance(token, str) for token in tokens):
            fix = 'write the tokens as ["…", "…"]'
            raise self._bad(record, tokens_column, "a list of tokens", show(tokens), fix)
        if column is None:
            text, offsets = join(tokens, self.joiner)
            return self._string(record, tokens_column, text, "tokens that make a text"), tokens, offsets
        text = self._string(record, column, self._value(record, column, "a text"), "a text")
        located = _locate(text, tokens)
        if located is None:
            fix = f"make the tokens pieces of '{column}', in order, or leave that column out"
            raise self._bad(record, tokens_column, f"tokens that stand in '{column}'", show(tokens), fix)
        return text, tokens, located

    def _string(self, record: Record, column: str, value: Any, expected: str) -> str:
        if not isinstance(value, str):
            raise self._bad(record, column, expected, f"{show(value)} ({type(value).__name__})", "write a string")
        if not value.strip():
            raise self._bad(record, column, expected, "nothing but blanks", "fill it in or remove the row")
        if encodable(value) != value:
            fix = "write whole characters: both halves of the pair, or the character itself"
            raise self._bad(record, column, expected, "half of a surrogate pair", fix)
        return value

    def _label(self, record: Record, value: Any) -> str:
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, int):
            return self._named(record, str(value))
        if not isinstance(value, str):
            expected = "a label (a string or a whole number)"
            fix = "write one label; several go into a list in every row"
            raise self._bad(record, self.schema.label, expected, f"{show(value)} ({type(value).__name__})", fix)
        return self._named(record, self._string(record, self.schema.label, value, "a label").strip())

    def _named(self, record: Record, label: str) -> str:
        if self.classes is None:
            return label
        name = self.classes.name(label)
        if name is None:
            expected, fix = f"a number that {self.classes.file} names", "add its name there, or write names as labels"
            raise self._bad(record, self.schema.label, expected, show(label), fix)
        return name

    def _labels(self, record: Record, value: Any) -> list[str]:
        labels = from_cell(value)
        if not isinstance(labels, list):
            raise self._bad(
                record,
                self.schema.label,
                "a list of labels",
                f"{show(value)} ({type(value).__name__})",
                'write ["…"], or [] for none',
            )
        if any(is_missing(label) for label in labels):
            raise self._bad(record, self.schema.label, "labels", show(labels), "remove the empty label")
        return list(dict.fromkeys(self._label(record, label) for label in labels))

    def _tagged(self, record: Record, value: Any, tokens: list[str], offsets: list[tuple[int, int]]) -> Spans:
        tags, column = from_cell(value), self.schema.label
        if not isinstance(tags, list) or len(tags) != len(tokens):
            told = f"{len(tags)} tags" if isinstance(tags, list) else show(tags)
            fix = "give every token one tag"
            raise self._bad(record, column, f"a list of {len(tokens)} tags", told, fix)
        if not all(isinstance(tag, str) for tag in tags):
            fix = "write the names of the tags in place of their numbers"
            raise self._bad(record, column, "tags such as O or B-PER", show(tags), fix)
        try:
            found = spans(tags)
        except TagError as error:
            fix = "write tags of IOB, BIOES or BMES"
            raise self._bad(record, column, "tags such as O or B-PER", str(error), fix) from None
        places: Spans = [
            {"start": offsets[start][0], "end": offsets[end - 1][1], "label": kind} for start, end, kind in found
        ]
        if hollow := next((place for place in places if place["start"] >= place["end"]), None):
            fix = "give the token its characters, or the tag O"
            raise self._bad(record, column, "entities of some characters", f"an empty {hollow['label']}", fix)
        return places

    def _entities(self, record: Record, value: Any, text: str) -> Spans:
        entities = entities_of(value)
        if entities is None:
            fix = 'write [{"start": 0, "end": 5, "label": "PER"}], or [] for none'
            raise self._bad(record, self.schema.label, "a list of entities", show(value), fix)
        distinct = dict.fromkeys(self._entity(record, entity, text) for entity in entities)
        return [{"start": start, "end": end, "label": label} for start, end, label in sorted(distinct)]

    def _entity(self, record: Record, entity: Any, text: str) -> tuple[int, int, str]:
        found = mention(entity)
        if found is None:
            fix = 'write {"start": 0, "end": 5, "label": "PER"}'
            raise self._bad(record, self.schema.label, "an entity", show(entity), fix)
        if not (type(found.start) is int and type(found.end) is int):
            fix = "count characters from 0; end is the first one after the entity"
            raise self._bad(record, self.schema.label, "start and end as whole numbers", show(entity), fix)
        if is_missing(found.label):
            fix = 'name its type: "label": "PER"'
            raise self._bad(record, self.schema.label, "an entity with a label", show(entity), fix)
        start, end = found.start, found.end + (self.ends == "inclusive")
        self._check_span(record, found, start, end, text)
        self.entities += 1
        self.cut += text[end - 1 : end + 1].isascii() and text[end - 1 : end + 1].isalnum() and end < len(text)
        return start, end, self._label(record, found.label)

    def _check_span(self, record: Record, found: Mention, start: int, end: int, text: str) -> None:
        inclusive = "count from 0"
        if self.ends == "exclusive":
            inclusive = "if the ends are inclusive, add 1 to every end or say ends=inclusive"
        column, size = self.schema.label, len(text)
        if start >= end:
            fix = inclusive if start == end else "exchange start and end, or remove the entity"
            raise self._bad(record, column, "start < end", f"start {start}, end {end}", fix)
        if start < 0 or end > size:
            expected = f"a span inside the text's {size} characters"
            fix = f"count characters of this text, not bytes or tokens, from 0, end-{self.ends}"
            raise self._bad(record, column, expected, f"start {found.start}, end {found.end}", fix)
        surface = found.surface
        if surface is not None and text[start:end] != surface:
            fix = inclusive if text[start : end + 1] == surface else f"count characters from 0, end-{self.ends}"
            expected = f"{show(surface)} at {found.start}:{found.end}"
            stands = f"{show(text[start:end])} at {found.start}:{found.end}"
            raise self._bad(record, column, expected, stands, fix)


def name_of(value: Any) -> str | None:
    """Read an id, a document's or a group's name; None where the value is no such thing.

    >>> name_of(7), name_of(""), name_of(0.5)
    ('7', None, None)
    """
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        return None
    return encodable(str(value))


def encodable(text: str) -> str:
    r"""Replace halves of surrogate pairs, which no encoding can write.

    >>> encodable("a\ud83d"), encodable("北京")
    ('a�', '北京')
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, the same on every machine."""
    return _CANONICAL.encode(value)


def _offsets(tokens: Any) -> list[tuple[int, int]]:
    """Return token offsets that a canonical row already carries."""
    if not isinstance(tokens, list) or not all(isinstance(token, dict) for token in tokens):
        return []
    return [(token["start"], token["end"]) for token in tokens if "start" in token and "end" in token]


def _locate(text: str, tokens: Sequence[str]) -> list[tuple[int, int]] | None:
    offsets, at = [], 0
    for token in tokens:
        start = text.find(token, at)
        if start < 0:
            return None
        at = start + len(token)
        offsets.append((start, at))
    return offsets
