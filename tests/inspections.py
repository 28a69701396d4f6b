"""Checks of a few rows, and what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tunewheel.data import Dataset
from tunewheel.data.check import Finding, Inspection, check


def inspect(rows: Sequence[Any] | Mapping[str, Any], *only: str, task: str | None = None, **options: Any) -> Inspection:
    """Check rows, by split or those of train alone, for some families."""
    splits = rows if isinstance(rows, Mapping) else {"train": rows}
    return check(Dataset.from_rows(splits, task), only=only, **options)


def found(inspection: Inspection, kind: str) -> Finding | None:
    """The finding of a kind, None where there is none."""
    return next((finding for finding in inspection.findings if finding.kind == kind), None)


def count(inspection: Inspection, kind: str) -> int:
    """How often something was found."""
    finding = found(inspection, kind)
    return finding.count if finding else 0


def labelled(*texts: str) -> list[dict[str, str]]:
    """Rows of two labels in turn."""
    return [{"text": text, "label": ("lost", "balance")[i % 2]} for i, text in enumerate(texts)]
