"""Labels that are misspelt, too rare, missing where they are tested, or all too frequent."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tunewheel.data.check.corpus import Row
from tunewheel.data.check.findings import EXAMPLES, Draft, Place

FEW = 10
"""Rows that a label needs, or its figures say nothing and dev and test may lack it."""

RARE = 0.1
"""Share of a label's rows up to which a label one character away is taken for a misspelling of it."""

UNEVEN, VERY_UNEVEN = 20, 100
"""How many times more rows the most frequent label may have than the rarest before that is said, and is a warning."""

_SHORTEST = 4
_SIGNS = re.compile(r"[\W_]+")


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
        if typos := label_typos(total):
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


def label_typos(counts: Mapping[str, int]) -> dict[str, str]:
    """Labels that are probably another one, misspelt: each with the frequent label that is meant.

    Labels that differ in case, width, white space or punctuation alone are the same. Others are when a character was
    added, left out, exchanged or changed places, and one is rare beside the other; digits are never a misspelling.

    >>> label_typos({"lost card": 50, "Lost_Card ": 40, "lots card": 2, "level 1": 50, "level 2": 2})
    {'Lost_Card ': 'lost card', 'lots card': 'lost card'}
    """
    order = sorted(counts, key=lambda name: (-counts[name], name))
    by_key: dict[str, str] = {}
    by_variant: dict[str, str] = {}
    moves: dict[str, str] = {}
    for name in order:
        key = _key(name)
        if meant := by_key.get(key):
            moves[name] = meant
            continue
        by_key[key] = name
        variants = _variants(key)
        near = next((by_variant[v] for v in variants if v in by_variant), None)
        if near and counts[name] <= RARE * counts[near] and _digits(key) == _digits(_key(near)):
            moves[name] = near
            continue
        for variant in variants:
            by_variant.setdefault(variant, name)
    return moves


def _key(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return _SIGNS.sub("", folded) or folded


def _variants(key: str) -> list[str]:
    """What is left of a name when one character is left out, and the name: two that share one are one edit apart."""
    if len(key) < _SHORTEST:
        return []
    return [key, *(key[:place] + key[place + 1 :] for place in range(len(key)))]


def _digits(key: str) -> str:
    return "".join(filter(str.isdigit, key))
