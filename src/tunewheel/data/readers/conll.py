"""CoNLL columns: a token a line, its tag last, blank lines between sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tunewheel.data.problems import Problem, show
from tunewheel.data.readers.base import Reader, Record, TextFile
from tunewheel.data.tags import SchemeDetector, is_tag

MARK = "-DOCSTART-"
_SPACES = re.compile(r"[ \t]+")
_GLUED = re.compile(r"(.+?)\d{1,3}")
_SAMPLE = 2000


@dataclass
class ConllReader(Reader):
    """Yields sentences as ``tokens``, ``tags`` and, where the file marks documents, ``document``.

    ``documents`` begins the names of the documents; they are numbered in the order of the file.
    """

    documents: str = "document"
    joiner: str = field(init=False)
    separator: str | None = field(init=False)
    width: int = field(init=False)
    glued: bool = field(init=False)

    def __post_init__(self) -> None:
        lines = [line for line in self.file.head().split("\n")[:-1] or [self.file.head()] if line.strip(" \t\r")]
        lines = [line.rstrip("\r") for line in lines if not line.startswith(MARK)][:_SAMPLE]
        self.separator = "\t" if lines and all("\t" in line.strip("\r") for line in lines) else None
        widths = [len(self._columns(line)) for line in lines]
        self.width = max(set(widths), key=widths.count) if widths else 2
        tokens = [self._columns(line)[0] for line in lines]
        self.glued = len(tokens) > 20 and _share(tokens, _is_glued) > 0.98
        if self.glued:
            self.notes.append(f"{self.file.path.name}: the position digits glued to the characters are taken off")
            tokens = [_unglue(token) for token in tokens]
        wide = any(is_cjk(token[0]) for token in tokens if token)
        self.joiner = "" if wide and _share(tokens, lambda token: len(token) == 1) > 0.98 else " "

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
                columns = self._columns(line)
                comment = line.startswith("# ") and not tokens and not is_tag(columns[-1])
                if comment:
                    continue
                bad += self._problems(number, columns)
                row = row if tokens else number
                tokens.append(_unglue(columns[0]) if self.glued else columns[0])
                tags.append(columns[-1])
        if tokens:
            yield from self._sentence(detector, row, tokens, tags, document, bad)
        self.notes.append(f"{self.file.path.name}: tag scheme {detector.scheme}")

    def _columns(self, line: str) -> list[str]:
        if self.separator:
            return line.split(self.separator)
        # A leading blank is itself the token of a file that is annotated character by character.
        columns = line.split(" ")
        if "" in columns or "\t" in line:
            columns = _SPACES.split(line.rstrip(" \t"))
        return columns if columns[0] else [" ", *columns[1:]]

    def _problems(self, number: int, columns: list[str]) -> list[Problem]:
        if len(columns) != self.width:
            found = f"{len(columns)} ({show(' '.join(columns))})"
            fix = "give every token all columns, the tag last, and leave a blank line between sentences"
            return [Problem(self.name, number, "", f"{self.width} columns", found, fix)]
        if not is_tag(columns[-1]):
            expected = "a tag of IOB, BIOES or BMES, such as O or B-PER"
            fix = "put the tag into the last column, as B-TYPE, I-TYPE or O"
            return [Problem(self.name, number, "tag", expected, show(columns[-1]), fix)]
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


def _is_glued(token: str) -> bool:
    """Say whether a token is one character and its position in the word, as Weibo NER has it."""
    match = _GLUED.fullmatch(token)
    return match is not None and len(match[1]) == 1


def _unglue(token: str) -> str:
    match = _GLUED.fullmatch(token)
    return match[1] if match else token


def _share(tokens: list[str], holds: Callable[[str], bool]) -> float:
    return sum(map(holds, tokens)) / max(1, len(tokens))


def join(tokens: list[str], joiner: str) -> tuple[str, list[tuple[int, int]]]:
    """Put tokens together to a text and say where each stands; no space goes between two CJK characters.

    >>> join(["I", "like", "北京", "烤鸭"], " ")
    ('I like 北京烤鸭', [(0, 1), (2, 6), (7, 9), (9, 11)])
    """
    parts: list[str] = []
    offsets: list[tuple[int, int]] = []
    at, wide = 0, [bool(token) and is_cjk(token[0]) for token in tokens]
    for i, token in enumerate(tokens):
        if i and joiner and not (wide[i] and wide[i - 1] and is_cjk(tokens[i - 1][-1])):
            parts.append(joiner)
            at += len(joiner)
        offsets.append((at, at + len(token)))
        parts.append(token)
        at += len(token)
    return "".join(parts), offsets


def is_cjk(character: str) -> bool:
    """Say whether a character is Chinese (or Japanese) script, full-width forms and punctuation included."""
    code = ord(character)
    return (
        0x2E80 <= code <= 0x9FFF or 0xF900 <= code <= 0xFAFF or 0xFF00 <= code <= 0xFFEF or 0x20000 <= code <= 0x3FFFF
    )


def looks_like_conll(file: TextFile) -> bool:
    """Say whether the beginning of a file reads as tokens and tags."""
    lines = [line.strip(" \t\r") for line in file.head().split("\n")[:-1]]
    rows = [line for line in lines if line and not line.startswith(MARK)][:_SAMPLE]
    if len(rows) < 2 or (len(rows) == len(lines) and len(rows) > 500):
        return False
    return sum(_ends_in_tag(line) for line in rows) >= 0.95 * len(rows)


def _ends_in_tag(line: str) -> bool:
    columns = _SPACES.split(line)
    return 2 <= len(columns) <= 12 and is_tag(columns[-1])
