"""CoNLL columns: a token a line with its tag, in any order of columns, blank lines between sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tunewheel.data.problems import Problem, show
from tunewheel.data.readers.base import Record, TextReader
from tunewheel.data.readers.columns import MARK, Layout, is_comment, layout_of
from tunewheel.data.readers.text import TextFile
from tunewheel.data.readers.tokens import is_glued, joiner_of, unglue
from tunewheel.data.tags import SchemeDetector, is_tag


@dataclass
class ConllReader(TextReader):
    """Yields sentences as ``tokens``, ``tags`` and, where the file marks documents, ``document``.

    ``documents`` begins the names of the documents; they are numbered in the order of the file.
    """

    documents: str = "document"
    joiner: str = field(init=False)
    layout: Layout = field(init=False)
    glued: bool = field(init=False)

    def __post_init__(self) -> None:
        lines = self.file.head_lines()
        self.layout = layout_of(lines) or Layout(None, 2, 0, 1)
        rows = [columns for line in lines if len(columns := self.layout.columns(line)) == self.layout.width]
        tokens = [columns[self.layout.token] for columns in rows if is_tag(columns[self.layout.tag])]
        self.glued = is_glued(tokens)
        name = self.file.path.name
        if self.glued:
            self.notes.append(f"{name}: the position digits glued to the characters are taken off")
            tokens = [unglue(token) for token in tokens]
        if self.layout.is_unusual:
            self.notes.append(f"{name}: tokens in column {self.layout.token + 1}, tags in {self.layout.tag + 1}")
        self.joiner = joiner_of(tokens)

    def __iter__(self) -> Iterator[Record]:
        detector = SchemeDetector()
        document, row, tokens, tags, bad = 0, 0, list[str](), list[str](), list[Problem]()
        with self.file.open(newline="\n") as stream:
            for number, raw in enumerate(stream, start=1):
                line = raw.rstrip("\r\n")
                if not line.strip(" \t") or line.startswith(MARK):
                    if tokens:
                        yield from self._sentence(detector, row, tokens, tags, document, bad)
                        tokens, tags, bad = [], [], []
                    document += line.startswith(MARK)
                    continue
                columns = self.layout.columns(line)
                if not tokens and is_comment(line, self.layout):
                    continue
                bad += self._problems(number, columns)
                row = row if tokens else number
                token, tag = (columns[i] if i < len(columns) else "" for i in (self.layout.token, self.layout.tag))
                tokens.append(unglue(token) if self.glued else token)
                tags.append(tag)
        if tokens:
            yield from self._sentence(detector, row, tokens, tags, document, bad)
        self.notes.append(f"{self.file.path.name}: tag scheme {detector.scheme}")

    def _problems(self, number: int, columns: list[str]) -> list[Problem]:
        where = "last" if self.layout.tag == self.layout.width - 1 else f"in column {self.layout.tag + 1}"
        if len(columns) != self.layout.width:
            found = f"{len(columns)} ({show(' '.join(columns))})"
            fix = f"give every token all columns, the tag {where}, and leave a blank line between sentences"
            return [Problem(self.name, number, "", f"{self.layout.width} columns", found, fix)]
        if not is_tag(columns[self.layout.tag]):
            expected = "a tag of IOB, BIOES or BMES, such as O or B-PER"
            fix = f"put the tag {where}, as B-TYPE, I-TYPE or O"
            return [Problem(self.name, number, "tag", expected, show(columns[self.layout.tag]), fix)]
        return []

    def _sentence(
        self,
        detector: SchemeDetector,
        row: int,
        tokens: list[str],
        tags: list[str],
        document: int,
        bad: list[Problem],
    ) -> Iterator[Record]:
        """Yield the sentence, or tell what is wrong with its lines: without one of them it is another sentence."""
        values: dict[str, object] = {"tokens": tokens, "tags": tags}
        for problem in bad:
            self.problems.add(problem, values)
        if bad:
            return
        detector.add(tags)
        if document:
            values["document"] = f"{self.documents}-{document}"
        yield Record(row, values)


def looks_like_conll(file: TextFile) -> bool:
    """Say whether the beginning of a file reads as tokens and tags."""
    lines = file.head_lines()
    rows = [line for line in lines if line.strip(" \t")]
    # A text of this length without one blank line is a table.
    if len(rows) < 2 or (len(rows) == len(lines) and len(rows) > 500):
        return False
    return layout_of(lines) is not None
