"""The body of a request: read within a limit, and checked before anything is done for it."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from tunewheel.serving.problems import Gone, Refused

if TYPE_CHECKING:
    from starlette.types import Receive, Scope

DEPTH = 16
"""How deep lists and objects may stand in each other."""

_FIELDS = ("text", "texts", "rows", "timeout")
_SLOW = 20.0  # seconds in which a body has to arrive


@dataclass(frozen=True)
class Ask:
    """A request's rows and the seconds it gives for them; None: as the service has it."""

    rows: list[dict[str, Any]]
    timeout: float | None


class Bodies:
    """Reads bodies of ``most`` bytes each; all under way hold ``held`` at most, so that nobody can fill the memory."""

    def __init__(self, most: int, held: int | None = None, slow: float = _SLOW) -> None:
        self.most, self.held, self.slow = most, held or 32 * most, slow
        self.holding = 0

    async def read(self, scope: Scope, receive: Receive) -> bytes:
        """Read a body; what it holds is counted as it comes, since a length that is declared need not be true.

        Raises `Refused`: 413 over the limit, 408 where it does not come in time, 415 where it is no JSON, 503 where too
        much is being read. Raises `Gone` where the connection was closed.
        """
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            # A page on another site can send any other kind without being allowed to.
            raise Refused(415, "not_json", "send the body as application/json")
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared[:20]) > self.most:
            self._too_large()
        pieces: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.slow):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    piece, more = message.get("body", b""), message.get("more_body", False)
                    size += len(piece)
                    self.holding += len(piece)
                    if size > self.most:
                        self._too_large()
                    if self.holding > self.held:
                        raise Refused(503, "busy", "too much is being sent at once", {"retry-after": "1", **_CLOSE})
                    pieces.append(piece)
        except TimeoutError:
            raise Refused(408, "slow_body", f"the body did not come within {self.slow:g} s", _CLOSE) from None
        finally:
            self.holding -= size
        return b"".join(pieces)

    def _too_large(self) -> NoReturn:
        raise Refused(413, "too_large", f"a body holds at most {self.most:,} bytes; send several requests", _CLOSE)


_CLOSE = {"connection": "close"}


def parsed(body: bytes) -> Any:
    """The JSON of a body; raises `Refused` (422) with what is wrong and where."""
    try:
        return json.loads(body, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        raise _bad(f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except UnicodeDecodeError as error:
        raise _bad(f"the body is not UTF-8: byte {error.start + 1} cannot be read") from None
    except RecursionError:
        raise _bad(f"lists and objects stand more than {DEPTH} deep") from None
    except ValueError as error:
        raise _bad(str(error)) from None


def asked(body: bytes) -> Ask:
    """What a body asks; raises `Refused` (422) naming the first thing that is not as it should be.

    >>> asked('{"texts": ["卡丢了", "thanks"]}'.encode()).rows
    [{'text': '卡丢了'}, {'text': 'thanks'}]
    >>> asked(b'{"txt": "thanks"}')
    Traceback (most recent call last):
    tunewheel.serving.problems.Refused: txt: no such field; did you mean 'text'?
    """
    value = parsed(body)
    if not isinstance(value, dict):
        raise _bad(f'expected an object such as {{"texts": ["…"]}}, found {_kind(value)}')
    for field in value:
        if field not in _FIELDS:
            close = get_close_matches(field[:40], _FIELDS, n=1)
            raise _bad(f"{field[:40]}: no such field" + (f"; did you mean {close[0]!r}?" if close else ""))
    given = [field for field in _FIELDS[:3] if field in value]
    if len(given) != 1:
        raise _bad(f"give one of text, texts and rows; found {' and '.join(given) or 'none'}")
    return Ask(_rows(given[0], value[given[0]]), _timeout(value))


REMARKS = 1000
"""Pieces of feedback in one request, at most."""


def remarks(body: bytes) -> tuple[str, list[dict[str, Any]]]:
    """The model and the feedback on it that a body holds; raises `Refused` (422). What they say is checked later.

    >>> remarks(b'{"model": "tickets", "feedback": [{"exchange": "01KB", "label": "lost"}]}')
    ('tickets', [{'exchange': '01KB', 'label': 'lost'}])
    """
    value = parsed(body)
    if not isinstance(value, dict) or set(value) != {"model", "feedback"} or not isinstance(value["model"], str):
        raise _bad('expected {"model": "…", "feedback": [{…}, …]}')
    given = value["feedback"]
    if not isinstance(given, list) or not 0 < len(given) <= REMARKS:
        raise _bad(f"feedback: expected a list of 1 to {REMARKS} objects")
    for place, one in enumerate(given):
        if not isinstance(one, dict):
            raise _bad(f"feedback[{place}]: expected an object, found {_kind(one)}")
        _sound(one, f"feedback[{place}]", DEPTH)
    return value["model"], given


_DECISIONS = ("accept", "reject", "skip")


@dataclass(frozen=True)
class Verdict:
    """What a reviewer says: what to do with an item, or which decision to take back."""

    item: str = ""
    decision: Literal["accept", "reject", "skip"] = "skip"
    value: dict[str, Any] | None = None
    undo: int | None = None


def verdict(body: bytes) -> Verdict:
    """What a body decides; raises `Refused` (422). What the value says is checked later.

    >>> verdict(b'{"item": "01KB", "decision": "accept", "value": {"label": "lost"}}').value
    {'label': 'lost'}
    >>> verdict(b'{"undo": 12}').undo
    12
    """
    told = parsed(body)
    if isinstance(told, dict) and set(told) == {"undo"}:
        if isinstance(told["undo"], bool) or not isinstance(told["undo"], int) or not 0 < told["undo"] < 1 << 31:
            raise _bad("undo: expected the number of a decision, as it was answered")
        return Verdict(undo=told["undo"])
    if not isinstance(told, dict) or not {"item", "decision"} <= set(told) <= {"item", "decision", "value"}:
        raise _bad('expected {"item": "…", "decision": "accept", "value": {…}} or {"undo": 12}')
    item, decision, value = told["item"], told["decision"], told.get("value")
    if not isinstance(item, str) or not 0 < len(item) <= 64:
        raise _bad("item: expected the id of an item in the queue")
    _whole(item, "item")
    if decision not in _DECISIONS:
        raise _bad(f"decision: expected {', '.join(_DECISIONS[:-1])} or {_DECISIONS[-1]}")
    if value is not None:
        if not isinstance(value, dict) or decision != "accept":
            raise _bad("value: expected an object, with the decision to accept it")
        _sound(value, "value", DEPTH)
    return Verdict(item, decision, value)


MOST_ITEMS = 100
"""Items of the queue in one answer, at most."""


def count_of(given: str | None) -> int:
    """How many items are asked for, 20 where nothing is said; raises `Refused` (422).

    >>> count_of(None), count_of("5")
    (20, 5)
    """
    if given is None:
        return 20
    if not (given.isascii() and given.isdigit() and len(given) <= 3 and 0 < int(given) <= MOST_ITEMS):
        raise _bad(f"n: expected a number from 1 to {MOST_ITEMS}")
    return int(given)


def one_row(ask: Ask) -> dict[str, Any]:
    """The row of a request that may hold one alone."""
    if len(ask.rows) != 1:
        raise _bad(f"a stream answers one text; found {len(ask.rows)}")
    return ask.rows[0]


def _rows(field: str, value: Any) -> list[dict[str, Any]]:
    if field == "text":
        return [{"text": _text(value, "text")}]
    if not isinstance(value, list):
        raise _bad(f"{field}: expected a list, found {_kind(value)}")
    if not value:
        raise _bad(f"{field}: the list is empty")
    if field == "texts":
        return [{"text": _text(text, f"texts[{place}]")} for place, text in enumerate(value)]
    for place, row in enumerate(value):
        if not isinstance(row, dict) or not row:
            raise _bad(f"rows[{place}]: expected an object with columns, found {_kind(row)}")
        _sound(row, f"rows[{place}]", DEPTH)
    return value


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise _bad(f"{place}: expected a text, found {_kind(value)}")
    _whole(value, place)
    return value


def _whole(text: str, place: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _bad(f"{place}: half a character (a lone surrogate) stands in it") from None


def _sound(value: Any, place: str, depth: int) -> None:
    """Refuse what stands too deep, and what JSON or UTF-8 cannot say again."""
    if isinstance(value, str):
        _whole(value, place)
    elif isinstance(value, float) and not math.isfinite(value):
        raise _bad(f"{place}: a number too large")
    elif isinstance(value, Mapping | list):
        if not depth:
            raise _bad(f"{place}: lists and objects stand more than {DEPTH} deep")
        for inner in value:
            _sound(inner, place, depth - 1)
            if isinstance(value, Mapping):
                _sound(value[inner], place, depth - 1)


def _timeout(value: Mapping[str, Any]) -> float | None:
    timeout = value.get("timeout")
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout <= 86_400:
        raise _bad(f"timeout: expected seconds above 0, at most a day, found {str(timeout)[:40]}")
    return float(timeout)


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _bad(message: str) -> Refused:
    return Refused(422, "bad_request", message.encode("utf-8", "replace").decode())
