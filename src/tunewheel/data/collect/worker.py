"""The process that reads foreign files: a line of JSON in, a line of JSON out. `sandbox` starts and ends it."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tunewheel.data.collect.extracting import Foreign, extract
from tunewheel.data.collect.limits import Limits
from tunewheel.data.problems import DataError


def main() -> None:
    """Answer requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # a library that prints must not spoil a reply
    logging.disable(logging.CRITICAL)
    limits = Limits(**json.loads(sys.stdin.readline()))
    _bound(limits.memory)
    for line in sys.stdin:
        replies.write(json.dumps(_answer(json.loads(line), limits)) + "\n")
        replies.flush()


def _answer(request: dict[str, Any], limits: Limits) -> dict[str, Any]:
    kind = request.pop("kind")
    file = Foreign(Path(request.pop("path")), **request)
    try:
        return {"documents": [asdict(document) for document in extract(kind, file, limits)]}
    except DataError as error:
        return {"problem": asdict(error.problems[0])}
    except (Exception, RecursionError, MemoryError) as error:
        # Libraries raise anything on hostile bytes; it is told as what it is, and the next file is read.
        return {"error": f"{type(error).__name__}: {error}"[:300]}


def _bound(memory: int) -> None:
    """Let a file that unpacks without end fail here, before it takes the machine's memory."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (memory if hard < 0 else min(memory, hard), hard))


if __name__ == "__main__":
    main()
