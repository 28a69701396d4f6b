"""A list of class names beside a table of label numbers, such as THUCNews's ``class.txt``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewheel.data.columns import is_missing
from tunewheel.data.problems import DataError
from tunewheel.data.readers.names import CLASS_LISTS
from tunewheel.data.readers.text import inspect

_MOST = 1 << 20

ClassList = tuple[str, tuple[str, ...]]
"""The name of a file and the class names that stand in it."""


@dataclass(frozen=True)
class Classes:
    """The names that label numbers stand for: the first is number ``first``."""

    file: str
    names: tuple[str, ...]
    first: int = 0

    def name(self, label: str) -> str | None:
        """The name of a label number, None where it has none.

        >>> Classes("class.txt", ("sport", "money"), first=1).name("2")
        'money'
        """
        number = int(label) - self.first if label.isascii() and label.isdigit() else -1
        return self.names[number] if 0 <= number < len(self.names) else None

    @property
    def note(self) -> str:
        """What is said of the renaming."""
        last = self.first + len(self.names) - 1
        few = ", ".join(self.names[:3]) + ", …" * (len(self.names) > 3)
        return f"label numbers {self.first} to {last} are renamed by {self.file}: {few}"


def listed_beside(path: Path) -> ClassList | None:
    """Read the list of class names that stands beside a file: its name and the names; None where there is none."""
    for name in CLASS_LISTS:
        beside = path.parent / name
        if not beside.is_file() or beside == path or beside.stat().st_size > _MOST:
            continue
        try:
            with inspect(beside).open(newline="\n") as stream:
                names = [line.strip() for line in stream]
        except DataError:
            continue
        while names and not names[-1]:
            names.pop()
        if names and all(names) and len(set(names)) == len(names):
            return name, tuple(names)
    return None


def fitting(
    lists: Sequence[ClassList | None], samples: Sequence[Sequence[Mapping[str, Any]]], column: str
) -> list[Classes | None]:
    """The classes of each input, from the list beside it and the labels sampled of all inputs that have it."""
    labels: dict[ClassList, list[Any]] = {}
    for listed, sample in zip(lists, samples, strict=True):
        if listed:
            labels.setdefault(listed, []).extend(record.get(column) for record in sample)
    found = {listed: of_labels(listed, values) for listed, values in labels.items()}
    return [found[listed] if listed else None for listed in lists]


def of_labels(listed: ClassList, labels: Iterable[Any]) -> Classes | None:
    """Classes, if the labels are numbers that the names can stand for; else None.

    Numbers from 1 to as many as there are names count from 1, as AG News has it.

    >>> of_labels(("classes.txt", ("sport", "money")), ["1", "2"])
    Classes(file='classes.txt', names=('sport', 'money'), first=1)
    >>> of_labels(("classes.txt", ("sport", "money")), ["sport"])
    """
    found = {str(label).strip() for label in labels if not is_missing(label)}
    if not found or not all(label.isascii() and label.isdigit() for label in found):
        return None
    file, names = listed
    numbers = {int(label) for label in found}
    first = 1 if max(numbers) == len(names) and 0 not in numbers else 0
    return Classes(file, names, first) if max(numbers) - first < len(names) and len(names) > 1 else None
