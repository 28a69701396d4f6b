"""Personal data kept from leaving: hidden in a prompt, put back into the answer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tunewheel.data.privacy import Masker
from tunewheel.models.language.base import Message, Messages
from tunewheel.tasks.prompts import as_json


class Shield:
    """Hides what a `Masker` finds in one prompt; the same value has the same mask in all its messages.

    A kind's first value is ``[PHONE]``, its second ``[PHONE_2]``. What one message shows to be personal is hidden in
    the others too, where nothing around it may tell what it is.

    >>> shield = Shield(Masker())
    >>> shield.hide((Message("user", "电话13812345678，或 13987654321"),))[0].content
    '电话[PHONE]，或 [PHONE_2]'
    >>> shield.restore("[PHONE_2]")
    '13987654321'
    """

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._masks: dict[str, str] = {}

    def hide(self, prompt: Messages) -> Messages:
        """The prompt with masks in place of personal data."""
        whole = "\n".join(message.content for message in prompt)
        for message in prompt:
            for start, end, kind in self._masker.find(message.content):
                value = message.content[start:end]
                if value not in self._masks:
                    self._masks[value] = self._free(kind, whole)
        return tuple(Message(role, self._hidden(content)) for role, content in prompt)

    def restore(self, answer: str) -> str:
        """An answer with the values in place of their masks; inside JSON they are written as JSON has them."""
        if not any(mask in answer for mask in self._masks.values()):
            return answer
        try:
            return as_json(self._deep(json.loads(answer)))
        except (ValueError, RecursionError):
            return self._put_back(answer)

    def _free(self, kind: str, whole: str) -> str:
        """A mask that neither another value has nor the prompt itself holds."""
        taken, number, mask = set(self._masks.values()), 1, f"[{kind}]"
        while mask in taken or mask in whole:
            number += 1
            mask = f"[{kind}_{number}]"
        return mask

    def _hidden(self, content: str) -> str:
        for value in sorted(self._masks, key=len, reverse=True):  # a value may stand inside a longer one
            content = content.replace(value, self._masks[value])
        return content

    def _put_back(self, text: str) -> str:
        for value, mask in self._masks.items():
            text = text.replace(mask, value)
        return text

    def _deep(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._put_back(value)
        if isinstance(value, list):
            return [self._deep(one) for one in value]
        return {key: self._deep(one) for key, one in value.items()} if isinstance(value, dict) else value


def masked_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as they may leave and be kept: masked, an entity that a mask cuts grown to cover it."""
    masker = Masker()
    return [masker.mask_row(row)[0] for row in rows]
