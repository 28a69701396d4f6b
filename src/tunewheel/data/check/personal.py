"""Personal data by kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tunewheel.data.check.corpus import Row
from tunewheel.data.check.findings import EXAMPLES, Draft, Place


class Personal:
    """Counts what `tunewheel.data.privacy` finds."""

    def __init__(self) -> None:
        from tunewheel.data.privacy import find

        self._find = find
        self.finds: Counter[str] = Counter()
        self.places: dict[str, Place] = {}
        self.rows = 0

    def add(self, row: Row) -> None:
        """Look at a row."""
        found = Counter(each.kind for text in (row.text, *row.answers) for each in self._find(text))
        self.rows += bool(found)
        self.finds += found
        for kind in found:
            if len(self.places) < EXAMPLES:
                self.places.setdefault(kind, Place(row.number, kind))

    def drafts(self) -> Iterator[Draft]:
        """What was found."""
        if self.rows:
            kinds = dict(self.finds.most_common())
            values = {"kinds": kinds, "named": ", ".join(f"{kind} {count:,}" for kind, count in kinds.items())}
            yield Draft("privacy", "personal", "warning", self.rows, values, list(self.places.values()))
