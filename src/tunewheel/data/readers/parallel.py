"""Parallel files: a text a line in one file, its tags or its label in the same line of another."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tunewheel.data.problems import DataError, Problem, show
from tunewheel.data.readers.base import Reader, Record
from tunewheel.data.readers.text import TextFile, inspect
from tunewheel.data.readers.tokens import join, joiner_of
from tunewheel.data.tags import is_tag

Role = Literal["tokens", "tags", "label"]

# Looked for in this order: ``train_labels.txt`` holds labels although ``txt`` is a name for texts.
_ROLES: tuple[tuple[Role, frozenset[str]], ...] = (
    ("tags", frozenset(("out", "tags", "tag", "ner", "bio", "slots", "slot", "target", "tgt"))),
    ("label", frozenset(("label", "labels", "intent", "intents"))),
    ("tokens", frozenset(("in", "words", "tokens", "sentences", "sents", "text", "texts", "source", "src", "txt"))),
)
_PARTS = re.compile(r"[._\-]+")
_SAMPLE = 1000


@dataclass
class ParallelReader(Reader):
    """Rows of two or three files read side by side; line ``n`` of each belongs to row ``n``.

    A line of tags has as many as its line of tokens, cut at blanks; else the reader says so with both places.
    """

    files: Mapping[Role, TextFile]
    joiner: str = field(init=False)
    tagged: bool = field(init=False)

    def __post_init__(self) -> None:
        tokens = self.files["tokens"]
        self.joiner = joiner_of([token for line in tokens.head_lines()[:_SAMPLE] for token in line.split()])
        self.tagged = "tags" in self.files
        others = " and ".join(file.path.name for role, file in self.files.items() if role != "tokens")
        self.notes.append(f"{tokens.path.name}: read side by side with {others}")

    @property
    def name(self) -> str:
        """The path of the file of texts."""
        return str(self.files["tokens"].path)

    @property
    def sha256(self) -> str:
        """A hash over all files."""
        return hashlib.sha256("".join(file.sha256 for file in self.files.values()).encode()).hexdigest()

    def __iter__(self) -> Iterator[Record]:
        with ExitStack() as stack:
            streams = [stack.enter_context(file.open(newline="\n")) for file in self.files.values()]
            for number, lines in enumerate(itertools.zip_longest(*streams), start=1):
                found: dict[Role, str | None] = dict(zip(self.files, lines, strict=True))
                if None in lines:
                    # Blank lines at the end of one file are no rows.
                    if any(line and line.strip() for line in lines):
                        self.problems.add(self._uneven(number, found))
                    return
                row = self._row(number, {role: line.strip() for role, line in found.items() if line is not None})
                if row is not None:
                    yield Record(number, row)

    def _row(self, number: int, lines: Mapping[Role, str]) -> dict[str, object] | None:
        if not any(lines.values()):
            return None
        row: dict[str, object] = {"label": lines["label"]} if "label" in lines else {}
        if not self.tagged:
            return {"text": lines["tokens"], **row}
        tokens, tags = lines["tokens"].split(), lines["tags"].split()
        if len(tokens) != len(tags):
            expected = f"{len(tokens)} tags, one a token, at {self.files['tags'].path}:{number}"
            found = f"{len(tags)} ({show(' '.join(tags))})"
            self.problems.add(Problem(self.name, number, "", expected, found, "give every token one tag"), lines)
            return None
        return {"text": join(tokens, self.joiner)[0], "tokens": tokens, "tags": tags, **row}

    def _uneven(self, number: int, lines: Mapping[Role, str | None]) -> Problem:
        ended = next(self.files[role].path for role, line in lines.items() if line is None)
        longer = next(self.files[role].path for role, line in lines.items() if line is not None)
        expected = f"as many lines in {ended} as in {longer}"
        fix = "remove the lines too many, or add those that are missing"
        return Problem(str(longer), number, "", expected, f"that {ended.name} ends after line {number - 1}", fix)


def role_of(path: Path) -> tuple[Role, str] | None:
    """Tell from a file's name what its lines are, and the name of the set it belongs to.

    >>> [role_of(Path(name)) for name in ("train.tags", "train.txt", "seq.in", "label", "train.conll")]
    [('tags', 'train'), ('tokens', 'train'), ('tokens', ''), ('label', ''), None]
    """
    parts = [part for part in _PARTS.split(path.name.lower()) if part]
    for role, names in _ROLES:
        if any(part in names for part in parts):
            spoken_for = {name for _, names in _ROLES for name in names} | {"seq"}
            return role, ".".join(part for part in parts if part not in spoken_for)
    return None


def find_sets(paths: Sequence[Path]) -> dict[str, dict[Role, TextFile]]:
    """Group files into sets that read side by side, by the rest of their names; files of no set are left out.

    Raises `DataError` where a file of such a name is empty or binary.
    """
    named: dict[str, dict[Role, list[Path]]] = {}
    for path in paths:
        if told := role_of(path):
            role, rest = told
            named.setdefault(rest, {}).setdefault(role, []).append(path)
    sets = {}
    for rest, roles in named.items():
        if "tokens" in roles and len(roles) > 1 and all(len(same) == 1 for same in roles.values()):
            try:
                files = {role: inspect(roles[role][0]) for role in ("tokens", "tags", "label") if role in roles}
            except DataError:
                continue
            if fitting := _fitting(files):
                sets[rest] = fitting
    return sets


def _fitting(files: dict[Role, TextFile]) -> dict[Role, TextFile] | None:
    """Check that files agree by their content, and that what is called labels are not tags; None if they do not."""
    lines = {role: [line.split() for line in file.head_lines()[:_SAMPLE]] for role, file in files.items()}
    if "tags" not in files and _are_tags(lines["label"]):
        files, lines = {"tokens": files["tokens"], "tags": files["label"]}, {**lines, "tags": lines["label"]}
    if "tags" in files:
        return files if _are_tags(lines["tags"]) else None
    # A list of class names beside a table is much shorter than the table.
    return files if 2 * len(lines["label"]) > len(lines["tokens"]) else None


def _are_tags(lines: Sequence[Sequence[str]]) -> bool:
    tags = [tag for line in lines for tag in line]
    return bool(tags) and 100 * sum(map(is_tag, tags)) >= 95 * len(tags)
