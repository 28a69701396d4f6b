"""Answers kept on the disk, so that a run that was killed pays for nothing twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunewheel.models.language.base import Completion
from tunewheel.store.files import write_whole


def answer_key(asked: Any) -> str:
    """The sha256 of everything an answer depends on, as JSON values."""
    content = json.dumps(asked, ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()


class Answers:
    """A folder with one file an answer, each written whole; texts that were asked about are not in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, key: str) -> Completion | None:
        """The answer under a key; a file that holds none counts as missing."""
        return _read(self._path(key))

    def put(self, key: str, answer: Completion) -> None:
        """Keep an answer; where the folder was removed meanwhile, with the run that it belonged to, nothing is kept."""
        if self.folder.is_dir():
            told = {"text": answer.text, "prompt": answer.prompt_tokens, "completion": answer.completion_tokens}
            write_whole(self._path(key), json.dumps(told, ensure_ascii=False).encode(errors="surrogatepass"))

    def __iter__(self) -> Iterator[Completion]:
        """Every answer kept."""
        return (answer for path in self.folder.glob("??/*.json") if (answer := _read(path)))

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"


def _read(path: Path) -> Completion | None:
    try:
        told = json.loads(path.read_bytes().decode(errors="surrogatepass"))
        return Completion(str(told["text"]), int(told["prompt"]), int(told["completion"]), cached=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None
