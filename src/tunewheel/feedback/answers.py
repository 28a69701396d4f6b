"""The answers that people give: their forms, and what is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ANSWERS = ("label", "labels", "entities", "answer", "score")
"""What an answer may be called in a correction or a row; one of them stands there, or a label with its score."""


class FeedbackError(ValueError):
    """Feedback cannot be taken in; the message says which, why and what would do."""


def checked_answer(value: Mapping[str, Any], text: str | None) -> dict[str, Any]:
    """The one answer in ``value``, checked; spans against ``text`` where it is known.

    A score may have its label beside it: rows of pairs that are graded hold both. Raises `FeedbackError`.
    """
    named = [key for key in ANSWERS if key in value]
    if named == ["label", "score"]:
        return {**checked_answer({"label": value["label"]}, text), **checked_answer({"score": value["score"]}, text)}
    if len(named) != 1:
        raise FeedbackError(f"expected one of {', '.join(ANSWERS)}, found {', '.join(named) or 'none'}")
    told, key = value[named[0]], named[0]
    match key:
        case "label" | "answer":
            good = isinstance(told, str) and bool(told.strip())
        case "labels":
            good = isinstance(told, list) and all(isinstance(label, str) and label.strip() for label in told)
        case "score":
            good = isinstance(told, int | float) and not isinstance(told, bool)
        case _:
            good = isinstance(told, list) and all(_is_span(span, text) for span in told)
            told = [{key: span[key] for key in ("start", "end", "label")} for span in told] if good else told
    if not good:
        forms = {"labels": "a list of labels", "entities": "spans with start, end and label inside the text"}
        raise FeedbackError(f"{key}: expected {forms.get(key, 'a number' if key == 'score' else 'a text')}")
    return {key: told}


def check_tokens(tokens: Any, text: str) -> None:
    """Refuse a row's tokens that are no places in its text. Raises `FeedbackError`."""
    if not (isinstance(tokens, list) and all(_is_place(token, text) for token in tokens)):
        raise FeedbackError("tokens: expected spans with start and end inside the text")


def fits(value: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether an answer's spans stand in a row's text.

    >>> fits({"entities": [{"start": 0, "end": 9, "label": "card"}]}, {"text": "Visa"}), fits({"label": "card"}, {})
    (False, True)
    """
    text = row.get("text")
    return not isinstance(text, str) or all(_is_span(span, text) for span in value.get("entities", ()))


def _is_span(span: Any, text: str | None) -> bool:
    return _is_place(span, text) and isinstance(span.get("label"), str) and bool(span["label"].strip())


def _is_place(span: Any, text: str | None) -> bool:
    if not isinstance(span, Mapping):
        return False
    start, end = span.get("start"), span.get("end")
    whole = all(isinstance(place, int) and not isinstance(place, bool) for place in (start, end))
    return whole and 0 <= start < end and (text is None or end <= len(text))  # type: ignore[operator]
