"""What a language model is shown of messages, and how its tokens become text again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

from tunewheel.data.conversation import Message, rendered
from tunewheel.models.backbones import BackboneError

_HALF = "\ufffd"
"""What stands for a character of which only some bytes are there."""

_MARK, _CLOSE = "\ue000", "\ue001"
"""What a control token's name in somebody's text is carried through a template as: a number between these two."""


class Chat:
    """Messages to token ids and back.

    A tokenizer that brings a chat template is used by it. Without one a causal model reads the messages each behind
    its role, as `rendered` has several, then ``assistant:``; an encoder-decoder reads `rendered` alone. The name of a
    control token in a message or an answer is read as the characters it is written in: only the template gives orders.
    """

    def __init__(self, tokenizer: Any, *, pairs: bool) -> None:
        if tokenizer.eos_token_id is None:
            raise BackboneError("the base's tokenizer has no end-of-sequence token, so no answer would ever end")
        self.tokenizer, self.pairs = tokenizer, pairs
        self.pad: int = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        self.templated = not pairs and getattr(tokenizer, "chat_template", None) is not None

    def prompt(self, messages: Sequence[Message]) -> list[int]:
        """The ids that ask for the next answer, special tokens included."""
        if self.templated:
            carried: list[Message] = [{**message, "content": self._carried(message["content"])} for message in messages]
            return self._uncarried(self._shown(carried, answered=False))
        if self.pairs:
            return list(self.tokenizer(rendered(messages), split_special_tokens=True).input_ids)
        shown = "".join(f"{message['role']}: {message['content']}\n\n" for message in messages)
        first = [self.tokenizer.bos_token_id] if self.tokenizer.bos_token_id is not None else []
        return [*first, *self._ids(f"{shown}assistant:\n")]

    def answer(self, text: str) -> list[int]:
        """The ids of an answer, the one that ends it included."""
        if self.pairs:
            return list(self.tokenizer(text_target=text, split_special_tokens=True).input_ids)
        return [*self._ids(text), self.end]

    def text(self, ids: Sequence[int]) -> str:
        """The text of an answer's ids."""
        shown: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return shown

    def pieces(self, ids: Iterable[int]) -> Iterator[str]:
        """The same text piece by piece, as its ids come; a character comes when all its bytes are there."""
        seen: list[int] = []
        told = ""
        for one in ids:
            seen.append(one)
            text = self.text(seen)
            if not text.endswith(_HALF) and len(text) > len(told):
                yield text[len(told) :]
                told = text
        rest = self.text(seen)[len(told) :]
        if rest:
            yield rest

    @cached_property
    def end(self) -> int:
        """The id that ends an answer: what the template puts behind one, else the end of a sequence."""
        if self.templated:
            asked: list[Message] = [{"role": "user", "content": "a"}]
            whole = self._shown([*asked, {"role": "assistant", "content": "b"}], answered=True)
            behind = self._ordered(whole.rpartition("b")[2])
            if behind and behind[0] in self.tokenizer.all_special_ids:
                return behind[0]
        return int(self.tokenizer.eos_token_id)

    def _ids(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids)

    def _ordered(self, text: str) -> list[int]:
        """The ids of a template's own text, control tokens among them."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    @cached_property
    def _controls(self) -> list[str]:
        """The names of all control tokens, a longer one before its beginnings; and the mark itself, to carry it too."""
        added = self.tokenizer.added_tokens_decoder.values()
        names = {*self.tokenizer.all_special_tokens, *(token.content for token in added)}
        return [_MARK, *sorted(names, key=lambda name: (-len(name), name))]

    def _carried(self, text: str) -> str:
        """``text`` with a number in place of each control token's name."""
        names = "|".join(map(re.escape, self._controls))
        return re.sub(names, lambda found: f"{_MARK}{self._controls.index(found[0])}{_CLOSE}", text)

    def _uncarried(self, shown: str) -> list[int]:
        """The ids of what a template made of carried texts, parted only where a name stands."""
        parts = re.split(f"{_MARK}([0-9]+){_CLOSE}", shown)
        ids = self._ordered(parts[0])
        for number, text in zip(parts[1::2], parts[2::2], strict=True):
            ids += self._ids(self._controls[int(number)])
            ids += self._ordered(text) if text else []
        return ids

    def _shown(self, messages: Sequence[Message], *, answered: bool) -> str:
        from jinja2.exceptions import TemplateError

        try:
            shown: str = self.tokenizer.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=not answered
            )
        except TemplateError as error:
            roles = ", ".join(message["role"] for message in messages)
            raise BackboneError(f"the base's chat template takes no messages of {roles}: {error}") from None
        return shown
