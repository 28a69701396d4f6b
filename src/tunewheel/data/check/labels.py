"""Labels that are misspelt, too rare, missing where they are tested, or all too frequent."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tunewheel.data.check.corpus import Row
from tunewheel.data.check.findings import EXAMPLES, Draft, Place
from tunewheel.data.clean.labels import typos as misspelt

FEW = 10
"""Rows that a label needs, or its figures say nothing and dev and test may lack it."""

MANY = 2_000
"""Labels up to which misspelt ones are looked for."""

UNEVEN, VERY_UNEVEN = 20, 100
"""How many times more rows the most frequent label may have than the rarest before that is said, and is a warning."""


class Labels:
    """Counts of every label by split, and what they tell."""

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.rows: Counter[str] = Counter()
        self.first: dict[str, list[int]] = defaultdict(list)

    def add(self, row: Row) -> None:
        """Look at a row."""
        if row.target is None:
            return
        self.rows[row.split] += 1
        for name in names_of(row.target):
            self.counts[row.split][name] += 1
            if len(self.first[name]) < EXAMPLES:
                self.first[name].append(row.number)

    @property
    def total(self) -> Counter[str]:
        """Rows of each label in all splits."""
        return sum(self.counts.values(), Counter())

    def drafts(self) -> Iterator[Draft]:
        """What was found."""
        total = self.total
        if len(total) == 1 and self.rows.total():
            yield Draft("labels", "single_label", "error", self.rows.total(), {"label": next(iter(total))})
        # Every label is held against every other; so many are no labels but texts, and no slips of each other.
        if typos := misspelt(total) if len(total) <= MANY else {}:
            rows = sum(total[rare] for rare in typos)
            places = [Place(self.first[rare][0], f"{rare} → {meant}") for rare, meant in typos.items()][:EXAMPLES]
            yield Draft("labels", "typos", "warning", rows, {"labels": len(typos), "moves": typos}, places)
        yield from self._absent()
        rare = {name: count for name, count in sorted(total.items(), key=lambda each: each[1]) if count < FEW}
        if rare:
            places = [Place(self.first[name][0], f"{name}: {count}") for name, count in rare.items()][:EXAMPLES]
            values = {"few": FEW, "rows": sum(rare.values()), "labels": rare}
            yield Draft("labels", "rare_labels", "warning", len(rare), values, places)
        yield from self._imbalance(total)

    def _absent(self) -> Iterator[Draft]:
        """Labels that dev or test ask for and train does not teach."""
        train = self.counts.get("train")
        for split, counts in self.counts.items():
            missing = {name: counts[name] for name in sorted(counts) if train and name not in train}
            if missing:
                rows = sum(missing.values())
                places = [Place(self.first[name][0], name) for name in missing][:EXAMPLES]
                values = {"labels": missing, "split": split, "share": rows / max(1, self.rows[split])}
                yield Draft("labels", "untaught", "error", rows, values, places)

    def _imbalance(self, total: Mapping[str, int]) -> Iterator[Draft]:
        if len(total) < 2:
            return
        often, seldom = max(total, key=lambda name: total[name]), min(total, key=lambda name: total[name])
        times = total[often] / total[seldom]
        if times >= UNEVEN:
            values = {"often": often, "seldom": seldom, "least": total[seldom], "times": round(times)}
            values["share"] = total[often] / self.rows.total()
            yield Draft("labels", "imbalance", "warning" if times >= VERY_UNEVEN else "info", total[often], values)


def names_of(target: Any) -> Iterable[str]:
    """The labels or entity types of a row, each once."""
    if isinstance(target, str):
        return (target,)
    return dict.fromkeys(each["label"] if isinstance(each, dict) else each for each in target)
