"""Drafts become findings: their rows are fetched, personal data in them is masked, long texts are shortened."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tunewheel.data.check.corpus import Corpus, Row
from tunewheel.data.check.findings import Draft, Example, Finding, Place

HEAD, TAIL = 180, 60
"""Characters of a long text's beginning and end that are shown."""

Mask = Callable[[str], str]


def finished(drafts: Sequence[Draft], corpus: Corpus) -> list[Finding]:
    """The findings that drafts become; the rows of all examples are fetched in one pass."""
    from tunewheel.data.privacy import Masker

    masker = Masker()

    def mask(text: str) -> str:
        return masker.mask(text).text

    rows = corpus.take(number for draft in drafts for number in draft.numbers())
    return [_finding(draft, rows, corpus, mask) for draft in drafts]


def shortened(text: str) -> str:
    """A long text's beginning and end.

    >>> len(shortened("x" * 1000))
    243
    """
    return text if len(text) <= HEAD + TAIL + 10 else f"{text[:HEAD]} … {text[-TAIL:]}"


def _finding(draft: Draft, rows: Mapping[int, Row], corpus: Corpus, mask: Mask) -> Finding:
    made = [_example(place, rows, corpus, mask) for place in draft.places]
    given = [_given(each, mask) for each in draft.examples]
    values = {name: mask(value) if isinstance(value, str) else value for name, value in draft.values.items()}
    return Finding(draft.family, draft.kind, draft.severity, draft.count, values, [*given, *made], draft.sampled)


def _given(example: Example, mask: Mask) -> Example:
    text, note, problem = shortened(mask(example.text)), shortened(mask(example.note)), example.problem
    if problem is not None:
        problem = replace(problem, expected=mask(problem.expected), found=mask(problem.found), fix=mask(problem.fix))
    return replace(example, text=text, note=note, problem=problem)


def _example(place: Place, rows: Mapping[int, Row], corpus: Corpus, mask: Mask) -> Example:
    row = rows[place.number]
    other = None if place.other is None else _example(Place(place.other), rows, corpus, mask)
    return Example(
        corpus.file_of(place.number),
        row.split,
        shortened(mask(row.text)),
        id=mask(row.id),
        label=shortened(mask(label_of(row.text, row.target))),
        note=shortened(mask(place.note)),
        other=other,
    )


def label_of(text: str, target: Any) -> str:
    """A row's answer as it is shown.

    >>> label_of("Ann paid", [{"start": 0, "end": 3, "label": "PER"}]), label_of("", ["a", "b"]), label_of("", None)
    ('Ann [PER]', 'a, b', '')
    """
    if not isinstance(target, list):
        return target or ""
    return ", ".join(
        f"{text[each['start'] : each['end']]} [{each['label']}]" if isinstance(each, dict) else each for each in target
    )
