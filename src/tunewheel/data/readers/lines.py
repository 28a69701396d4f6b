"""Files of plain lines, one file a label: the file's name is the label of every text in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tunewheel.data.readers.base import Record, TextReader

_PAPERS = ("readme", "license", "licence", "notice", "changelog", "authors", "copying", "requirements")


@dataclass
class LinesReader(TextReader):
    """Yields every line as a ``text`` whose ``label`` is the file's name; blank lines are passed over."""

    def __post_init__(self) -> None:
        name = self.file.path.name
        self.notes.append(f"{name}: a text a line, the label of all is the file's name '{self.file.path.stem}'")

    def __iter__(self) -> Iterator[Record]:
        with self.file.open(newline="\n") as stream:
            for row, line in enumerate(stream, start=1):
                if line.strip():
                    yield Record(row, {"text": line.strip(), "label": self.file.path.stem})


def may_be_lines(path: Path) -> bool:
    """Say whether a file of no known form may hold the texts of a label, and is none of a project's papers."""
    return path.suffix.lower() == ".txt" and not path.stem.lower().startswith(_PAPERS)
