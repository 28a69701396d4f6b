"""Lines that hold a text and its label, the label before the first or after the last mark (``text@label``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from tunewheel.data.problems import DataError, Problem, show
from tunewheel.data.readers.base import Record, TextReader
from tunewheel.data.readers.text import TextFile

FASTTEXT = "__label__"
_SAMPLE = 2000
_LONGEST = 40
_SHARE = 0.98


class Mark(NamedTuple):
    """Where a line is cut; the label is what stands before the first or after the last ``sign``."""

    sign: str
    label: Literal["first", "last"]

    def cut(self, line: str) -> tuple[str, str] | None:
        """Return the label and the text of a line, None where either is missing."""
        if self.label == "first":
            label, sign, text = line.partition(self.sign)
        else:
            text, sign, label = line.rpartition(self.sign)
        label, text = label.strip().removeprefix(FASTTEXT), text.strip()
        return (label, text) if sign and label and text else None


_FASTTEXT_MARK = Mark(" ", "first")
# A sign that is rare in prose says more than one that is common, so the rare ones come first.
_MARKS = (
    *(Mark("@", "last"), Mark("\t", "first"), Mark("\t", "last"), Mark("|", "first"), Mark("|", "last")),
    *(Mark(";", "last"), Mark(";", "first"), Mark(",", "first"), Mark(",", "last")),
)


@dataclass
class MarkedReader(TextReader):
    """Yields ``text`` and ``label`` of every line; blank lines are passed over."""

    mark: Mark = field(init=False)

    def __post_init__(self) -> None:
        found = mark_of(self.file)
        if found is None:
            expected = "a text and a label in every line, such as 'text@label' or 'label,text'"
            fix = "write them as CSV with a header, or as JSON Lines"
            raise DataError([Problem(self.name, None, "", expected, "no mark that parts them", fix)])
        self.mark = found
        place = f"before the first {found.sign!r}" if found.label == "first" else f"after the last {found.sign!r}"
        self.notes.append(f"{self.file.path.name}: a text a line, its label {place}")

    def __iter__(self) -> Iterator[Record]:
        with self.file.open(newline="\n") as stream:
            for row, line in enumerate(stream, start=1):
                if not line.strip():
                    continue
                parts = self.mark.cut(line)
                if parts is None:
                    expected = f"a text and a label, parted by {self.mark.sign!r}"
                    fix = "add what is missing, or remove the line"
                    self.problems.add(Problem(self.name, row, "", expected, show(line.rstrip()), fix), line)
                else:
                    yield Record(row, {"text": parts[1], "label": parts[0]})


def mark_of(file: TextFile) -> Mark | None:
    """Find the mark by which nearly all lines fall into a text and one of few short labels; None if none does."""
    lines = [line for line in file.head_lines() if line.strip()][:_SAMPLE]
    if lines and sum(line.startswith(FASTTEXT) for line in lines) >= _SHARE * len(lines):
        return _FASTTEXT_MARK
    return next((mark for mark in _MARKS if _parts(mark, lines)), None)


def _parts(mark: Mark, lines: Sequence[str]) -> bool:
    cut = [parts for line in lines if (parts := mark.cut(line))]
    if len(lines) < 4 or len(cut) < _SHARE * len(lines):
        return False
    labels = {label for label, _ in cut}
    short = all(len(label) <= _LONGEST and not any(c.isspace() for c in label) for label in labels)
    return short and 2 * len(labels) <= len(cut) and len({text for _, text in cut}) > len(labels)
