"""Saved reports without certain rows: the figures stay what was measured, the rows' texts and ids go."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from tunewheel.data.erased import Erased
from tunewheel.evaluation.report import read_report
from tunewheel.store.files import write_whole

_LINE = re.compile(r"<tr[^>]*>.*?</tr>\n?", re.S)


def erase_from_report(
    folder: Path, gone: Erased, rename: Callable[[str], str], datasets: Collection[str] | None = None
) -> bool:
    """Take rows out of what a report's folder shows; say whether any stood there.

    Mistakes and examples of these texts go from page and JSON; in the per-row record an id becomes ``rename(id)``, so
    that two reports that lost the same rows still compare. Ids are looked at in reports on one of ``datasets`` alone
    (None: in any), since other data may call other rows so. Raises `EvaluationError` if there is no report.
    """
    stored = read_report(folder)
    if datasets is not None and stored.get("dataset") not in datasets:
        gone = Erased(gone.texts, ())
    wrong = [m for m in stored["worst"] if gone.is_text(m["text"]) or m["id"] in gone.ids]
    tried = [r for r in stored.get("robustness", ()) if r["example"] and gone.is_text(r["example"][0])]
    renamed = _rename_ids(folder / "scores.npz", gone, rename)
    if not (wrong or tried or renamed):
        return False
    page = folder / "report.html"
    if page.is_file():
        write_whole(page, _page_without(page.read_text(encoding="utf-8"), wrong, tried))
    stored["worst"] = [m for m in stored["worst"] if m not in wrong]
    for each in tried:
        each["example"] = None
    write_whole(folder / "report.json", json.dumps(stored, ensure_ascii=False, indent=1) + "\n")
    return True


def _page_without(page: str, wrong: list[dict[str, Any]], tried: list[dict[str, Any]]) -> str:
    """The page without the lines of some mistakes and without some examples, both told by what they show."""
    marks = [f'<div class="id">{escape(mistake["id"])}</div>' for mistake in wrong]
    page = _LINE.sub(lambda line: "" if any(mark in line[0] for mark in marks) else line[0], page)
    for each in tried:
        page = page.replace(f'<div class="id">{escape(each["example"][1])}</div>', "")
    return page


def _rename_ids(path: Path, gone: Erased, rename: Callable[[str], str]) -> bool:
    if not path.is_file():
        return False
    with np.load(path, allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    ids = [str(identifier) for identifier in arrays["ids"].tolist()]
    if not gone.ids.intersection(ids):
        return False
    arrays["ids"] = np.array([rename(identifier) if identifier in gone.ids else identifier for identifier in ids])
    packed = BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    write_whole(path, packed.getvalue())
    return True
