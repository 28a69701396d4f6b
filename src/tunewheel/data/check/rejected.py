"""Rows that the reader could not use, from what it wrote down of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tunewheel.data.check.findings import EXAMPLES, Draft, Example
from tunewheel.data.problems import Problem


def rejected_rows(path: Path, usable: int) -> Iterator[Draft]:
    """One finding for all rows that cannot be used; ``usable`` counts the others."""
    if not path.is_file():
        return
    examples: list[Example] = []
    sorts: Counter[str] = Counter()
    rows = set()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            found = json.loads(line)
            sort = f"{found['column']}: {found['expected']}" if found["column"] else found["expected"]
            sorts[sort] += 1
            rows.add((found["file"], found["row"]))
            if len(examples) < EXAMPLES:
                note = f"{sort} ← {found['found']}; {found['fix']}"
                record = found["record"]
                text = record if isinstance(record, str) else json.dumps(record, ensure_ascii=False)
                problem = Problem(**{name: found[name] for name in Problem.__slots__})
                examples.append(Example(found["file"], "", text.strip(), row=found["row"], note=note, problem=problem))
    total = usable + len(rows)
    values = {"total": total, "share": len(rows) / total, "expected": dict(sorts.most_common(EXAMPLES))}
    yield Draft("schema", "rejected", "error", len(rows), values, examples=examples)
