"""A language model behind any OpenAI-compatible server."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from tunewheel.data.privacy import Masker
from tunewheel.models.language.answers import Answers, answer_key
from tunewheel.models.language.base import Completion, LanguageModelError, Messages
from tunewheel.models.language.budget import Budget
from tunewheel.models.language.shield import Shield

if TYPE_CHECKING:
    from openai import OpenAI

KEY = "TUNEWHEEL_PROMPT_KEY"
"""The one place a key comes from: a model folder may name a server, never a variable whose content goes to it."""

FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0  # seconds

_PASSING = (408, 409, 425, 429)
_UNKNOWN = re.compile(r"support|unknown|unrecogni[sz]ed|permitted|unexpected|extra|deprecated|does not take", re.I)
_FRAME = 16  # tokens that a server may add around a message


class _PassingError(Exception):
    """A request failed in a way that may not last; ``wait`` is how long the server asks to be left alone."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class Endpoint:
    """A model's name and a server's URL; what is personal stays here, and what was answered is asked once.

    Args:
        model: the model's name on the server.
        url: up to and with ``/v1``; without password or query, which might be a key.
        masker: hides personal data in prompts and puts it back into answers; None sends prompts as they are.
        answers: a folder that keeps answers, by the sha256 of server, model, prompt and settings.
        budget: what may be spent on all that stands in that folder; see `Budget`.
        prices: of a million tokens read, and written.
        timeout: seconds an answer may take.
        retries: how often a request is repeated after 429, 5xx, a timeout, a lost connection or an answer that is none.
        workers: requests on their way at once.

    Raises:
        LanguageModelError: the URL is none, or the package ``openai`` is missing.
    """

    scores = False
    parameters = 0

    def __init__(
        self,
        model: str,
        url: str,
        *,
        masker: Masker | None,
        answers: Path | None = None,
        budget: float | None = None,
        prices: tuple[float, float] | None = None,
        timeout: float = 60.0,
        retries: int = 5,
        workers: int = 4,
    ) -> None:
        check_server(url)
        self.model, self.url = model, url
        # Another budget is another run, which looks for answers in a folder of its own.
        kept = f", with options.cache={answers} so that nothing is paid twice" if answers else ""
        self.budget = Budget(budget, prices, f"raise options.budget to go on{kept}")
        self._masker, self._timeout, self._retries, self._workers = masker, timeout, retries, workers
        self._answers = Answers(answers) if answers else None
        for known in self._answers or ():
            self.budget.add(known.prompt_tokens, known.completion_tokens)
        self._left_out: set[str] = set()  # settings that this server does not take

    def tokens(self, prompt: Messages) -> int:
        """An estimate: four ASCII characters, or one other, are a token."""
        characters = "".join(message.content for message in prompt)
        narrow = sum(map(str.isascii, characters))
        return len(characters) - narrow + -(-narrow // 4) + 4 * len(prompt)

    def complete(
        self, prompts: Sequence[Messages], *, most: int, schema: Mapping[str, Any] | None = None
    ) -> list[Completion]:
        """Ask the server, a prompt that stands twice once; what is in the answers' folder is not asked again."""
        shields = [Shield(self._masker) if self._masker else None for _ in prompts]
        hidden = [shield.hide(prompt) if shield else prompt for shield, prompt in zip(shields, prompts, strict=True)]
        keys = [answer_key([self.url, self.model, prompt, most, schema]) for prompt in hidden]
        told = self._known(keys)
        missing = {key: prompt for key, prompt in zip(keys, hidden, strict=True) if key not in told}
        told.update(self._fetched(missing, most, schema))
        written = (told[key] for key in keys)
        return [
            answer._replace(text=shield.restore(answer.text)) if shield else answer
            for answer, shield in zip(written, shields, strict=True)
        ]

    def score(self, prompts: Sequence[Messages], choices: Sequence[str]) -> npt.NDArray[np.float64]:
        """Servers do not tell the probability of an answer that they did not choose."""
        raise LanguageModelError(f"{self.url}: a server scores no choices")

    def _known(self, keys: Sequence[str]) -> dict[str, Completion]:
        found = {key: self._answers.get(key) for key in keys} if self._answers else {}
        return {key: answer for key, answer in found.items() if answer}

    def _fetched(
        self, missing: Mapping[str, Messages], most: int, schema: Mapping[str, Any] | None
    ) -> dict[str, Completion]:
        if not missing:
            return {}
        self._client  # noqa: B018  made here, once, not by several threads at a time
        with ThreadPoolExecutor(self._workers) as pool:
            begun: dict[str, Future[Completion]] = {
                key: pool.submit(self._kept, key, prompt, most, schema) for key, prompt in missing.items()
            }
            try:
                return {key: future.result() for key, future in begun.items()}
            except BaseException:
                for future in begun.values():
                    future.cancel()
                raise

    def _kept(self, key: str, prompt: Messages, most: int, schema: Mapping[str, Any] | None) -> Completion:
        answer = self._asked(prompt, most, schema)
        if self._answers:
            self._answers.put(key, answer)
        return answer

    def _asked(self, prompt: Messages, most: int, schema: Mapping[str, Any] | None) -> Completion:
        """Ask until there is an answer, `retries` times more at most."""
        for attempt in range(self._retries + 1):
            try:
                return self._once(prompt, most, schema)
            except _PassingError as fault:
                reason = str(fault)
                wait = FIRST_WAIT * 2**attempt * random.uniform(0.75, 1.0) if fault.wait is None else fault.wait
                if attempt < self._retries:
                    time.sleep(min(max(0.0, wait), LONGEST_WAIT))
        raise LanguageModelError(
            f"{self.url}: no answer from {self.model!r} after {self._retries + 1} tries: {reason}"
            + ("; what was answered is kept, the same command goes on from there" if self._answers else "")
        )

    def _once(self, prompt: Messages, most: int, schema: Mapping[str, Any] | None) -> Completion:
        """One request, and another for each setting that the server turns out not to take."""
        bound = sum(len(m.content.encode(errors="surrogatepass")) + _FRAME for m in prompt) + len(str(schema or ""))
        while True:
            given = self._settings(most, schema)
            with self.budget.bill(bound, most) as bill, self._told_plainly(bill, given):
                reply = self._client.chat.completions.create(
                    model=self.model,
                    messages=[{"role": m.role, "content": m.content} for m in prompt],  # type: ignore[misc]
                    **given,
                )
                return _answer(reply, bill)

    def _settings(self, most: int, schema: Mapping[str, Any] | None) -> dict[str, Any]:
        """What goes with the messages, without what this server has refused."""
        given: dict[str, Any] = {"temperature": 0.0, "max_tokens": most}
        if "max_tokens" in self._left_out:
            given["max_completion_tokens"] = most
        if schema:
            form = {"name": "answer", "strict": True, "schema": dict(schema)}
            given["response_format"] = {"type": "json_schema", "json_schema": form}
        return {name: value for name, value in given.items() if name not in self._left_out}

    @contextmanager
    def _told_plainly(self, bill: Any, given: Mapping[str, Any]) -> Iterator[None]:
        """Sort the ways in which a request fails; what surely cost nothing leaves the bill."""
        import openai

        try:
            yield
        except openai.APITimeoutError:  # it may have been answered, and paid for, all the same
            raise _PassingError(f"nothing within {self._timeout:g} s") from None
        except openai.APIConnectionError as error:
            bill.prompt_tokens = bill.completion_tokens = 0
            raise _PassingError(self._scrubbed(f"it cannot be reached ({error.__cause__ or error})")) from None
        except openai.APIStatusError as error:
            bill.prompt_tokens = bill.completion_tokens = 0
            self._refused(error, given)
        except (openai.OpenAIError, ValueError, LookupError, AttributeError, TypeError) as error:
            raise _PassingError(self._scrubbed(f"its answer is none of this protocol ({error})")) from None

    def _refused(self, error: Any, given: Mapping[str, Any]) -> None:
        """Raise what an error status means; return where a setting was all that the server minded."""
        status, said = error.status_code, self._scrubbed(str(error.message))
        if (status in _PASSING or status >= 500) and error.code != "insufficient_quota":
            raise _PassingError(f"status {status}, {said}", _retry_after(error.response.headers)) from None
        if status in (400, 422) and (minded := _minded(said, given)):
            self._left_out.add(minded)
            return
        remedy = {
            401: f"set {KEY} to a key of this server",
            403: f"the key in {KEY} may not do that",
            404: f"is {self.model!r} a model there, and should the URL end in /v1?",
        }.get(status, "see what the server says")
        raise LanguageModelError(f"{self.url}: status {status}, {said}; {remedy}") from None

    @cached_property
    def _client(self) -> OpenAI:
        from openai import Omit, OpenAI

        # Ours are the retries, so that each is paid from the budget; servers on this machine want no key at all.
        key = os.environ.get(KEY) or "none"
        # The client would send what stands in variables that were meant for another server.
        nobody: Any = {"OpenAI-Organization": Omit(), "OpenAI-Project": Omit()}
        return OpenAI(api_key=key, base_url=self.url, timeout=self._timeout, max_retries=0, default_headers=nobody)

    def _scrubbed(self, said: str) -> str:
        """What a server said, short, without the key that it may have repeated."""
        key = os.environ.get(KEY)
        said = said.replace(key, "…") if key else said
        return " ".join(said.split())[:300]


def check_server(url: str) -> None:
    """Raise `LanguageModelError` for what is no address of a server or may hold a secret, or without ``openai``."""
    if find_spec("openai") is None:
        raise LanguageModelError("a server is asked by a package: pip install 'tunewheel[prompt]'")
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise LanguageModelError(f"endpoint: expected a URL like http://localhost:8000/v1, got {parts.scheme or url!r}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise LanguageModelError(
            f"endpoint: the URL of {parts.hostname} holds a name, password or query, and would be written into model "
            f"folders; leave them out and set {KEY}"
        )


def _minded(said: str, given: Mapping[str, Any]) -> str | None:
    """The setting that a server does not take, by its words; the answer's form where it names none.

    How long an answer may get is never left out, only called by its newer name: the budget stands on it.
    """
    named = [name for name in ("temperature", "max_tokens", "response_format") if name in given and name in said]
    if named and _UNKNOWN.search(said):
        return named[0]
    return "response_format" if "response_format" in given else None


def _answer(reply: Any, bill: Any) -> Completion:
    """What a reply says, its tokens written into the bill; nothing said is an empty answer."""
    text = reply.choices[0].message.content or ""
    if reply.usage is not None:
        bill.prompt_tokens, bill.completion_tokens = reply.usage.prompt_tokens, reply.usage.completion_tokens
    if not isinstance(text, str):
        raise ValueError("content is no text")
    return Completion(text, bill.prompt_tokens, bill.completion_tokens)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to be left alone; the date form is rare and counts as none."""
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return None
