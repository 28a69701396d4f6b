"""Labels mended: those that a reviewed list of suspects corrects, and slips of the pen."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tunewheel.data.gather import near_key
from tunewheel.data.problems import DataError, Problem, Problems, show

Row = dict[str, Any]

RARE = 20
"""A slip is this many times rarer than the label that was meant."""

_LONG = 4  # characters that a label must have for one of them to be a slip


@dataclass(frozen=True)
class Suspect:
    """A label thought wrong. With ``start`` and ``end`` an entity: ``given`` None is a missed one, ``suggested`` None
    one that is none. ``text`` is what the row said when it was looked at, None where that was not kept.
    """

    id: str
    split: str | None
    given: Any
    suggested: Any
    start: int | None = None
    end: int | None = None
    text: str | None = None


class Suspects:
    """Suspects by row. Where several are about one label, the first counts."""

    def __init__(self, suspects: Iterable[Suspect]) -> None:
        self._of: dict[str, list[Suspect]] = {}
        for suspect in suspects:
            known = self._of.setdefault(suspect.id, [])
            if all((s.split, s.start, s.end) != (suspect.split, suspect.start, suspect.end) for s in known):
                known.append(suspect)

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    @classmethod
    def read(cls, path: str | Path) -> Suspects:
        """Read a file of JSON Lines; a line with ``"accept": false`` is passed over. Raises `DataError`."""
        problems, found = Problems(), []
        try:
            # Not splitlines: a text may hold what that takes for an end.
            lines = Path(path).read_text(encoding="utf-8-sig").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            fix = "name the file of suspects, one JSON object a line, as UTF-8"
            told = str(error.strerror if isinstance(error, OSError) else error)
            raise DataError([Problem(str(path), None, "", "a file", told, fix)]) from None
        for number, line in enumerate(lines, start=1):
            if line.strip() and (suspect := _parsed(str(path), number, line, problems)):
                found.append(suspect)
        if problems.fatal:
            raise DataError(problems.first, problems.total)
        return cls(found)

    def mend(self, split: str, row: Mapping[str, Any]) -> Row:
        """The row with what its suspects suggest, as far as it still says what they were given."""
        mended = dict(row)
        # What is no entity goes before one that was missed takes its place.
        for suspect in sorted(self._of.get(row["id"], ()), key=lambda suspect: suspect.given is None):
            if suspect.split in (None, split) and suspect.text in (None, row["text"]):
                _mend(suspect, mended)
        return mended


def _parsed(file: str, number: int, line: str, problems: Problems) -> Suspect | None:
    try:
        values = json.loads(line)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        problems.add(
            Problem(file, number, "", "a JSON object", show(line), 'write {"id": …, "given": …, "suggested": …}')
        )
        return None
    if values.get("accept") is False:
        return None
    missing = [name for name in ("id", "given", "suggested") if name not in values]
    if not missing and values["suggested"] is None and values.get("start") is None:
        missing = ["suggested"]
    if missing:
        fix = 'fill it in, or say "accept": false'
        problems.add(Problem(file, number, missing[0], "a value", "nothing", fix))
        return None
    names = ("split", "given", "suggested", "start", "end", "text")
    return Suspect(str(values["id"]), **{name: values.get(name) for name in names})


def _mend(suspect: Suspect, row: Row) -> None:
    if suspect.start is None or suspect.end is None:
        for column in ("label", "labels"):
            if row.get(column) is not None and row[column] == suspect.given:
                row[column] = suspect.suggested
        return
    place = (suspect.start, suspect.end)
    entities = list(row.get("entities") or ())
    here = [entity for entity in entities if (entity["start"], entity["end"]) == place]
    if suspect.given is None:
        free = all(entity["end"] <= place[0] or place[1] <= entity["start"] for entity in entities)
        if free and 0 <= place[0] < place[1] <= len(row["text"]) and suspect.suggested is not None:
            entities.append({"start": place[0], "end": place[1], "label": suspect.suggested})
    elif old := next((entity for entity in here if entity["label"] == suspect.given), None):
        entities.remove(old)
        if suspect.suggested is not None and all(entity["label"] != suspect.suggested for entity in here):
            entities.append({**old, "label": suspect.suggested})
    row["entities"] = sorted(entities, key=lambda e: (e["start"], e["end"], e["label"]))


def typos(counts: Mapping[str, int]) -> dict[str, str]:
    """Labels that are slips of a frequent one, and what was meant.

    The same but for case, width, white space and punctuation: the most frequent way of writing is meant. One character
    more, fewer, other or exchanged with the next, none of them a digit, in a label of four characters or more that is
    `RARE` times rarer: the nearest such label is meant.

    >>> typos({"lost_card": 60, "Lost card": 2, "lsot_card": 1, "level1": 90, "level2": 2})
    {'Lost card': 'lost_card', 'lsot_card': 'lost_card'}
    >>> typos({"查询余额": 40, "查寻余额": 1, "转账": 40, "转帐": 1})
    {'查寻余额': '查询余额'}
    """
    order = sorted(counts, key=lambda label: (-counts[label], label))
    spelled: dict[int, str] = {}
    meant = {label: spelled.setdefault(near_key(label), label) for label in order}
    rows = Counter[str]()
    for label in order:
        rows[meant[label]] += counts[label]
    frequent = [label for label in order if rows[meant[label]] >= RARE * min(rows.values())]
    for label, other in itertools.product(reversed(order), frequent):
        if meant[label] == label and rows[meant[other]] >= RARE * rows[label] and _is_slip(label, other):
            meant[label] = meant[other]
    return {label: meant[target] for label, target in meant.items() if meant[target] != label}


def _is_slip(one: str, other: str) -> bool:
    if min(len(one), len(other)) < _LONG or abs(len(one) - len(other)) > 1 or one == other:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    ways = ((a[1:], b[1:]), (a[1:], b), (a, b[1:]), (a[1::-1] + a[2:], b))
    changed = {*a[:2], *b[:2]} if len(one) == len(other) else {*a[:1], *b[:1]}
    return any(x == y for x, y in ways) and not any(character.isdigit() for character in changed)


def renamed(row: Mapping[str, Any], names: Mapping[str, str]) -> Row:
    """The row with labels and entity types by their new names."""
    result = dict(row)
    if row.get("label") is not None:
        result["label"] = names.get(row["label"], row["label"])
    if row.get("labels") is not None:
        result["labels"] = list(dict.fromkeys(names.get(label, label) for label in row["labels"]))
    if row.get("entities") is not None:
        result["entities"] = [{**e, "label": names.get(e["label"], e["label"])} for e in row["entities"]]
    return result


def labels_of(row: Mapping[str, Any]) -> list[str]:
    """The labels or entity types of a row, as often as they stand there."""
    if row.get("label") is not None:
        return [row["label"]]
    return [*(row.get("labels") or ()), *(entity["label"] for entity in row.get("entities") or ())]
