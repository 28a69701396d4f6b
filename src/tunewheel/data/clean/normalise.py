"""Texts written one way: compatible characters (NFKC), white space, no invisible characters, simplified Chinese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from tunewheel.data.conversation import messages_of, rendered
from tunewheel.data.editmap import EditMap
from tunewheel.data.pairs import TAB, pair_of
from tunewheel.data.problems import DataError, Problem

Row = dict[str, Any]

_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[^\W_]")
_CHINESE = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_ROUNDS = 5
_JOINERS = "\u200c\u200d"  # they make emoji and the letters of some scripts


def normalised(row: Mapping[str, Any], *, simplified: bool = False) -> Row:
    """The row with its text normalised and its ``entities`` and ``tokens`` where their characters went.

    A row without a visible character stays as it is. A span of nothing but characters that went goes with them.

    >>> row = {"text": "付  给Ａｎｎａ", "entities": [{"start": 4, "end": 8, "label": "PER"}]}
    >>> normalised(row)
    {'text': '付 给Anna', 'entities': [{'start': 3, 'end': 7, 'label': 'PER'}]}
    """
    if row.get("messages"):
        said = [{**each, "content": _plain(each["content"], simplified)} for each in messages_of(row)]
        return {**row, "messages": said, "text": rendered(said)}
    spaced = _spaced_apart if pair_of(row) else _spaced
    steps = [_visible, _composed, spaced, *([_simplified] if simplified else [])]
    result = dict(row)
    # Now and then a step leaves work for one before it; nothing was ever seen to need a third round.
    for _ in range(_ROUNDS):
        before = result["text"]
        for step in steps:
            result = _moved(result, step)
        if result["text"] == before:
            break
    return result if result["text"] else dict(row)


def _plain(text: str, simplified: bool) -> str:
    return str(normalised({"text": text}, simplified=simplified)["text"])


def is_wordless(text: str) -> bool:
    r"""Whether a text has no letter and no digit, in any script: nothing that a label could be learned from.

    >>> is_wordless("\u200b ?!"), is_wordless("卡?")
    (True, False)
    """
    return not _WORD.search(text)


def _moved(row: Row, step: Callable[[str], Sequence[str]]) -> Row:
    text = row["text"]
    if not any(row.get(column) for column in ("entities", "tokens")) and step is _composed:
        return {**row, "text": unicodedata.normalize("NFKC", text)}
    moved = EditMap(step(text))
    if moved.text == text:
        return row
    changed: Row = {**row, "text": moved.text}
    for column in ("entities", "tokens"):
        if row.get(column):
            spans = [(span, *moved.span(span["start"], span["end"])) for span in row[column]]
            changed[column] = [{**span, "start": start, "end": end} for span, start, end in spans if start < end]
    return changed


def _visible(text: str) -> list[str]:
    """No control and no formatting characters but white space, joiners and the tags of flags."""
    return ["" if _is_hidden(character) else character for character in text]


@cache
def _is_hidden(character: str) -> bool:
    kind = unicodedata.category(character)
    return (kind == "Cc" and not character.isspace()) or (
        kind == "Cf" and character not in _JOINERS and character < "\U000e0000"
    )


def _composed(text: str) -> list[str]:
    """NFKC, one piece for the characters that it takes together, at the place of the first."""
    if text.isascii():
        return list(text)
    pieces: list[str] = []
    for chunk in _chunks(text):
        pieces += [unicodedata.normalize("NFKC", chunk), *[""] * (len(chunk) - 1)]
    return pieces


def _chunks(text: str) -> Iterator[str]:
    """The shortest pieces that can be normalised apart."""
    chunk = ""
    for character in text:
        apart = unicodedata.normalize("NFKC", chunk) + unicodedata.normalize("NFKC", character)
        if chunk and unicodedata.normalize("NFKC", chunk + character) == apart and not unicodedata.combining(character):
            yield chunk
            chunk = ""
        chunk += character
    if chunk:
        yield chunk


def _spaced(text: str) -> list[str]:
    """One space for each run of white space, a line break where it has one, none at the ends."""
    pieces = list(text)
    for run in _SPACES.finditer(text):
        inner = run.start() > 0 and run.end() < len(text)
        one = "\n" if re.search(r"[\n\r\u2028\u2029]", run[0]) else " "
        pieces[run.start() : run.end()] = [one if inner else "", *[""] * (len(run[0]) - 1)]
    return pieces


def _spaced_apart(text: str) -> list[str]:
    """The same for both texts of a pair, with the tab between them as it is."""
    first, tab, second = text.partition(TAB)
    return [*_spaced(first), *tab, *_spaced(second)]


def _simplified(text: str) -> Sequence[str]:
    if not _CHINESE.search(text):
        return text
    whole = _converter()(text)
    return whole if len(whole) == len(text) else [_converter()(character) for character in text]


@cache
def _converter() -> Callable[[str], str]:
    try:
        from opencc import OpenCC
    except ImportError:
        fix = "pip install 'tunewheel[zh]'"
        raise DataError([Problem("simplified", None, "", "the package opencc", "none", fix)]) from None
    convert: Callable[[str], str] = OpenCC("t2s").convert
    return convert
