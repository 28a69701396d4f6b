"""One call: what is sent, how often and for how long, and what to make of what comes back; nothing is sent here."""

from __future__ import annotations

import json
import math
import os
import random
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    import httpx2

URL = "http://127.0.0.1:8000"
"""Where `tunewheel serve` answers by default."""

Texts = str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]]
"""One text or many; a row (the columns that the model's task reads) wherever a text can stand."""

_AGAIN = frozenset({429, 503})  # the service has done nothing yet, and says so
_FIRST, _LONGEST = 0.1, 5.0  # seconds before the first try again, and before any
_DAY = 86_400.0


class ClientError(Exception):
    """A call that was not answered.

    Attributes:
        status: the HTTP status; None where there was no whole answer.
        code: for programs: the service's own (``busy``, ``bad_row``, ``unknown_model`` …), or ``connection``,
            ``timeout``, ``cut`` (the answer broke off), ``bad_answer`` (it is no answer of the service's).
        request: the id under which the service has logged the request, if it said one.
    """

    def __init__(self, message: str, *, status: int | None = None, code: str, request: str | None = None) -> None:
        told = ", ".join(filter(None, [f"HTTP {status}" if status else "", f"request {request}" if request else ""]))
        super().__init__(f"{message} ({told})" if told else message)
        self.status, self.code, self.request = status, code, request


class Predictions(list[dict[str, Any]]):
    """A prediction a text, in the order asked, all by one version.

    Attributes:
        model: the name asked for.
        version: what answered, such as ``tickets:3``.
        variant: how its network was run, such as ``onnx-int8``.
        request: the id under which the service has logged the request.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__(answer["predictions"])
        self.model: str = answer["model"]
        self.version: str = answer["version"]
        self.variant: str = answer["variant"]
        self.request: str = answer["request"]


class Settings:
    """What all calls of one client share."""

    def __init__(self, url: str, key: str | None, timeout: float, retries: int) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"url: expected the address of a service such as {URL}, found {url!r}")
        key = os.environ.get("TUNEWHEEL_KEY") if key is None else key
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ValueError("key: expected one of `tunewheel keys add`; this holds what no key does")
        self.url, self.timeout, self.retries = url.rstrip("/"), _seconds(timeout), retries
        self.headers = {"accept": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}

    def predict(self, model: str, texts: Texts, timeout: float | None) -> Call:
        """A call for predictions."""
        given = [texts] if isinstance(texts, str | Mapping) else list(texts)
        call = self._post(f"/v1/models/{quote(model, safe='')}/predict", given, timeout)
        # It has to be the same on every try, or the service would answer each anew.
        call.headers["idempotency-key"] = uuid.uuid4().hex
        call.idempotent, call.asked = True, len(given)
        return call

    def stream(self, model: str, text: str | Mapping[str, Any], timeout: float | None) -> Call:
        """A call for a stream."""
        call = self._post(f"/v1/models/{quote(model, safe='')}/stream", [text], timeout)
        call.headers["accept"] = "text/event-stream, application/json"
        call.idempotent, call.whole = False, False
        return call

    def get(self, path: str, retries: int | None = None) -> Call:
        """A call that asks how things are."""
        return Call("GET", self.url + path, self.timeout, self.retries if retries is None else retries)

    def _post(self, path: str, given: Sequence[str | Mapping[str, Any]], timeout: float | None) -> Call:
        seconds = self.timeout if timeout is None else _seconds(timeout)
        call = Call("POST", self.url + path, seconds, self.retries)
        # The service, too, gives up then. What is left would be less on every try, and the body another.
        body: dict[str, Any] = {"timeout": min(seconds, _DAY)}
        if any(isinstance(one, Mapping) for one in given):
            body["rows"] = [one if isinstance(one, Mapping) else {"text": one} for one in given]
        else:
            body["texts"] = given
        call.headers["content-type"] = "application/json"
        call.body = json.dumps(body, allow_nan=False).encode()
        return call


class Again(Exception):
    """A try that may be followed by another, ``after`` seconds at least."""

    def __init__(self, error: ClientError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error, self.after = error, after


@dataclass
class Call:
    """One call: what is sent, how long and how often, and what to make of what comes back."""

    method: str
    url: str
    seconds: float
    retries: int
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    idempotent: bool = True
    whole: bool = True  # the answer comes in one piece
    asked: int = 0  # texts
    tried: int = 0

    def __post_init__(self) -> None:
        self.until = time.monotonic() + self.seconds

    @property
    def left(self) -> float:
        """Seconds for what is to come; never 0, which some take for no limit."""
        return max(0.001, self.until - time.monotonic())

    def request(self, http: httpx2.Client | httpx2.AsyncClient) -> httpx2.Request:
        """The request of the next try."""
        timeout = self.left if self.whole else self.seconds
        return http.build_request(self.method, self.url, content=self.body, headers=self.headers, timeout=timeout)

    def in_time(self, piece: bytes) -> bytes:
        """The piece, if there is still time; raises `TimeoutError`."""
        if time.monotonic() > self.until:
            raise TimeoutError
        return piece

    @contextmanager
    def told(self, *, begun: bool = False) -> Iterator[None]:
        """Turn what can go wrong on the way into `ClientError`, or into `Again` where another try does no harm."""
        httpx2 = httpx()
        try:
            yield
        except (httpx2.ConnectError, httpx2.ProxyError) as error:
            raise Again(ClientError(f"{self.url}: not reached: {error}", code="connection")) from error
        except (TimeoutError, httpx2.TimeoutException) as error:
            raise ClientError(f"{self.url}: no answer within {self.seconds:g} s", code="timeout") from error
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            lost = ClientError(f"{self.url}: the answer was lost on the way: {error}", code="cut")
            raise (Again(lost) if self.idempotent and not begun else lost) from error

    def pause(self, again: Again) -> float:
        """Seconds until the next try; raises the error where there is none."""
        self.tried += 1
        backoff = min(_LONGEST, _FIRST * 2 ** (self.tried - 1)) * random.uniform(0.5, 1)
        # Those who were refused together shall not come back together.
        seconds: float = backoff if again.after is None else again.after + backoff
        if self.tried > self.retries or time.monotonic() + seconds >= self.until:
            raise again.error from again.__cause__
        return seconds

    def begun(self, response: httpx2.Response) -> bool:
        """Whether a stream has begun."""
        return response.status_code == 200 and kind_of(response) == "text/event-stream"

    def refuse(self, response: httpx2.Response, body: bytes) -> NoReturn:
        """Raise what a response that is not the answer says."""
        status, request = response.status_code, response.headers.get("x-request-id")
        try:
            said = json.loads(body)["error"]
            error = ClientError(str(said["message"]), status=status, code=str(said["code"]), request=request)
        except (ValueError, LookupError, TypeError):
            kind = kind_of(response) or "of no kind"
            what = f"{self.url}: not a service's answer ({kind}); is this its address?"
            error = ClientError(what, status=status, code="bad_answer", request=request)
        if status in _AGAIN:
            raise Again(error, _after(response.headers.get("retry-after")))
        raise error

    def answer(self, response: httpx2.Response, body: bytes) -> dict[str, Any]:
        """The object that was answered."""
        if response.status_code != 200 or kind_of(response) != "application/json":
            self.refuse(response, body)
        try:
            return an_object(body)
        except ClientError:  # whoever stands between passed on a part of it
            raise Again(ClientError(f"{self.url}: a part of the answer was lost", status=200, code="cut")) from None

    def predictions(self, answer: dict[str, Any]) -> Predictions:
        """The answer, checked: a prediction a text."""
        names = ("model", "version", "variant", "request")
        found = answer.get("predictions")
        sound = isinstance(found, list) and len(found) == self.asked and all(isinstance(one, dict) for one in found)
        if not sound or not all(isinstance(answer.get(name), str) for name in names):
            raise ClientError(f"{self.url}: not an answer to {self.asked} texts", status=200, code="bad_answer")
        return Predictions(answer)

    def models(self, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """The list of models, checked."""
        if not isinstance(answer.get("models"), list):
            raise ClientError(f"{self.url}: not a list of models", status=200, code="bad_answer")
        found: list[dict[str, Any]] = answer["models"]
        return found

    def ready(self, answer: dict[str, Any]) -> bool:
        """Whether the service says that it is ready, checked."""
        if answer.get("ready") is not True:
            raise ClientError(f"{self.url}: not the readiness of a service", status=200, code="bad_answer")
        return True


def unready(error: ClientError) -> bool:
    """False where a service is not ready, or none is there; raises any other error."""
    if error.status == 503 or (error.status is None and error.code == "connection"):
        return False
    raise error


def an_object(text: str | bytes) -> dict[str, Any]:
    """The JSON object that was sent; raises `ClientError`."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ClientError("not a whole JSON object", status=200, code="bad_answer")
    return value


def kind_of(response: httpx2.Response) -> str:
    """The content type, bare."""
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


def _after(header: str | None) -> float | None:
    """Seconds of a ``Retry-After``, which may be a number or a date; None where it is neither.

    >>> _after("3"), _after("Thu, 01 Jan 1970 00:00:00 GMT"), _after("soon"), _after(None)
    (3.0, 0.0, None, None)
    """
    try:
        seconds = float(header or "soon")
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header or "").timestamp() - time.time()
        except ValueError:
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds(timeout: float) -> float:
    if not 0 < timeout < math.inf:
        raise ValueError(f"timeout: expected seconds above 0, found {timeout}")
    return timeout


def httpx() -> Any:
    """The library that sends; raises `ClientError` naming the extra that brings it."""
    try:
        import httpx2
    except ModuleNotFoundError:
        raise ClientError("the client needs httpx2: pip install 'tunewheel[client]'", code="extra") from None
    return httpx2
