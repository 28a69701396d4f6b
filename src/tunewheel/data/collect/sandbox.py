"""Foreign files are read in a process of its own: one that hangs, or takes too much memory, ends alone."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, Self

from tunewheel.data.collect.documents import Document, failure
from tunewheel.data.collect.extracting import NEEDS, Foreign, Kind
from tunewheel.data.collect.limits import Limits
from tunewheel.data.problems import DataError, Problem

INSTALL = "pip install 'tunewheel[collect]'"


class Sandbox:
    """Reads foreign files in a child process, which it starts when needed and ends when time is up."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._child: subprocess.Popen[str] | None = None
        self._replies: queue.Queue[str] = queue.Queue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, kind: Kind, file: Foreign) -> list[Document]:
        """The documents of a file. Raises `DataError` where it cannot be read within the limits."""
        missing = [name for name in NEEDS.get(kind, ()) if find_spec(name) is None]
        if missing:
            raise failure(file.source, f"the package {missing[0]} to read {kind}", "it is not installed", INSTALL)
        reply = self._ask({"kind": kind, **file._asdict(), "path": str(file.path)}, file.source)
        if problem := reply.get("problem"):
            raise DataError([Problem(**problem)])
        if reason := reply.get("error"):
            fix = "open it, and save it again in another format"
            raise failure(file.source, f"a readable {kind} file", reason, fix)
        return [Document(**document) for document in reply["documents"]]

    def close(self) -> None:
        """End the child process."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._listener.join()
            for stream in (self._child.stdin, self._child.stdout):
                _shut(stream)
            self._child = None

    def _ask(self, request: dict[str, Any], source: str) -> dict[str, Any]:
        child = self._started()
        try:
            _send(child, request)
            line = self._replies.get(timeout=self.limits.seconds)
        except queue.Empty:
            self.close()
            fix = "leave it out, or allow more with --timeout"
            raise failure(source, f"a file read within {self.limits.seconds:g} s", "no end", fix) from None
        except OSError:
            line = ""
        if not line.endswith("\n"):
            self.close()
            fix = "it may be made to fill memory; leave it out, or save its text alone"
            raise failure(source, "a file that can be read", "one that ended the reading process", fix)
        reply: dict[str, Any] = json.loads(line)
        return reply

    def _started(self) -> subprocess.Popen[str]:
        if self._child is None:
            paths = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
            environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "PYTHONUTF8": "1"}
            command = [sys.executable, "-m", "tunewheel.data.collect.worker"]
            pipe, quiet = subprocess.PIPE, subprocess.DEVNULL
            self._child = subprocess.Popen(
                command, env=environment, stdin=pipe, stdout=pipe, stderr=quiet, text=True, encoding="utf-8"
            )
            self._replies = queue.Queue()
            self._listener = threading.Thread(target=_listen, args=(self._child, self._replies), daemon=True)
            self._listener.start()
            _send(self._child, asdict(self.limits))
        return self._child


def _send(child: subprocess.Popen[str], request: dict[str, Any]) -> None:
    assert child.stdin is not None
    child.stdin.write(json.dumps(request) + "\n")
    child.stdin.flush()


def _listen(child: subprocess.Popen[str], replies: queue.Queue[str]) -> None:
    """Pass on the child's lines, and one that is none when it has ended."""
    assert child.stdout is not None
    for line in child.stdout:
        replies.put(line)
    replies.put("")


def _shut(stream: IO[str] | None) -> None:
    try:
        if stream is not None:
            stream.close()
    except OSError:  # what was not sent any more
        pass
