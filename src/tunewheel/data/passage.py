"""Past a model and back: what of a row a model reads, and its answer beside the row."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tunewheel.data.columns import Columns, is_missing
from tunewheel.data.conversation import Unsaid, asked, rendered
from tunewheel.data.exchanges import prompt_columns
from tunewheel.data.infer import paired
from tunewheel.data.names import DOCUMENT, ENTITIES, GROUP, IDS, LABELS, TAGS, TEXTS
from tunewheel.data.pairs import TAB, join_pair, named_pair
from tunewheel.data.problems import Problem, show
from tunewheel.data.readers.tokens import join, joiner_of
from tunewheel.data.rows import encodable
from tunewheel.data.streams import Streamed, Unfit

_WAITING = 1 << 16
_ASIDE = (*IDS, GROUP, DOCUMENT, *LABELS, *ENTITIES, *TAGS)
"""Columns of such names are no text, where nothing says which is."""


@dataclass
class Passage:
    """Carries a stream past a model: `texts` goes in, and `rejoin` puts the answers and their rows together.

    A model reads the text (of a pair of sentences both), and where the row has them its words' offsets (``tokens``)
    and its ``document``. The row waits meanwhile. Bad rows raise; with ``skip`` they wait in their place and come out
    as `Unfit`. ``column`` names the text's; else it is the one ``learned`` from, where a row has it, else it is found
    as a dataset finds it. With ``asks`` a row is a prompt, or messages, as a dataset of prompts and answers has them; a
    last message of the assistant is left out. With ``compares`` a row needs two texts. ``notes`` are what was assumed.
    """

    rows: Iterator[Streamed]
    column: str | None
    name: str = "<rows>"
    skip: bool = False
    asks: bool = False
    compares: bool = False
    learned: str | None = None
    bad: int = 0
    notes: list[str] = field(default_factory=list)
    _waiting: deque[dict[str, Any] | Unfit] = field(default_factory=deque)
    _over: bool = False
    _texts: tuple[str, ...] = ()

    def rejoin(
        self, predict: Callable[[Iterator[dict[str, Any]]], Iterator[dict[str, Any]]]
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]] | Unfit]:
        """Yield each row with what ``predict`` answers, or the `Unfit` that it is, in order."""
        while not self._over:
            for answer in predict(self.texts()):
                yield from self._bad_ones()
                row = self._waiting.popleft()
                assert not isinstance(row, Unfit)
                yield row, answer
            yield from self._bad_ones()

    def texts(self) -> Iterator[dict[str, Any]]:
        """Yield what a model reads; ends early where so many rows wait that they must be answered first."""
        for line, row in self.rows:
            try:
                if isinstance(row, Unfit):
                    raise row
                read = self._read(line, row)
            except Unfit as error:
                if not self.skip:
                    raise
                self.bad += 1
                self._waiting.append(error)
                if len(self._waiting) > _WAITING:
                    return
                continue
            self._waiting.append(row)
            yield read
        self._over = True

    def _bad_ones(self) -> Iterator[Unfit]:
        while self._waiting and isinstance(row := self._waiting[0], Unfit):
            self._waiting.popleft()
            yield row

    def _unfit(self, line: int, row: dict[str, Any], column: str, expected: str, found: str, fix: str) -> Unfit:
        return Unfit(Problem(self.name, line, column, expected, found, fix), row)

    def _asked(self, line: int, row: dict[str, Any]) -> dict[str, Any]:
        prompt = prompt_columns(Columns([row]), self.column or (self.learned if self.learned in row else None))
        try:
            messages = asked(row, prompt)
        except Unsaid as wrong:
            raise self._unfit(line, row, wrong.column, wrong.expected, wrong.found, wrong.fix) from None
        if messages[-1]["role"] == "assistant" and len(messages) > 1:
            messages.pop()
        return {"text": rendered(messages), **({"messages": messages} if len(messages) > 1 else {})}

    def _read(self, line: int, row: dict[str, Any]) -> dict[str, Any]:
        if self.asks:
            return self._asked(line, row)
        texts = self._texts or self._found_in(row)
        if len(texts) > 1 or not self.compares:  # a row that lacks one of two texts settles nothing for the others
            self._texts = texts
        tokens, document = row.get("tokens"), row.get("document")
        column = texts[0] if texts else "text"
        words = tokens if isinstance(tokens, list) and all(isinstance(token, str) for token in tokens) else None
        if words and row.get(column) is None:
            text, offsets = join(words, joiner_of(words))  # as a dataset makes it of them
            tokens, row["text"] = [{"start": start, "end": end} for start, end in offsets], text
        else:
            text = self._written(line, row, column)
        if len(texts) > 1:
            both = [self._written(line, row, name) for name in texts]
            for name, half in zip(texts, both, strict=True):
                if is_missing(half):
                    raise self._unfit(line, row, name, "a text", show(half), "fill it in or remove the row")
            text = join_pair(*both)
        if self.compares and TAB not in text:
            fix = "give sentence1 and sentence2, name both columns with --text FIRST,SECOND, or put a tab between them"
            raise self._unfit(line, row, column, "two texts to compare", "one", fix)
        read: dict[str, Any] = {"text": text}
        if isinstance(tokens, list) and all(isinstance(t, dict) and {"start", "end"} <= t.keys() for t in tokens):
            read["tokens"] = tokens
        # A number names a document as well, as it does in a dataset.
        if isinstance(document, str | int) and not isinstance(document, bool) and document != "":
            read["document"] = str(document)
        return read

    def _found_in(self, row: dict[str, Any]) -> tuple[str, ...]:
        """The columns of the text, or of both; none where the row does not tell."""
        if both := named_pair(self.column, row) or named_pair(self.learned, row):
            return both
        learned = self.learned if self.learned and isinstance(row.get(self.learned), str) else None
        if one := self.column or learned:
            return (one,)
        columns = Columns([row])
        if pair := paired(columns, None):
            return pair
        named = [name for name in columns.find(TEXTS) if isinstance(row[name], str)]
        if named or isinstance(row.get("tokens"), list):
            return tuple(named[:1])
        aside = {*columns.find(_ASIDE)}
        rest = [name for name, value in row.items() if name not in aside and isinstance(value, str)]
        if len(rest) != 1:
            return ()
        self.notes.append(f"{self.name}: {rest[0]!r} is taken for the text (--text names another)")
        return (rest[0],)

    def _written(self, line: int, row: dict[str, Any], column: str) -> str:
        """The text of a column."""
        text = row.get(column)
        if not isinstance(text, str):
            found = "no such column" if column not in row else show(text)
            fix = f"name the text's column with --text; the row has {', '.join(row) or 'none'}"
            raise self._unfit(line, row, column, "a text", found, fix)
        if encodable(text) != text:
            fix = "write whole characters: both halves of the pair, or the character itself"
            raise self._unfit(line, row, column, "a text", "half of a surrogate pair", fix)
        return text
